/** How each style begins and ends: SGR, as ECMA-48 has it. */
const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
  gray: [90, 39],
  greenBright: [92, 39],
  magentaBright: [95, 39],
  cyanBright: [96, 39],
} as const;

export type Style = keyof typeof codes;

/** Text as a terminal shows it in a style, or as it is where there are no colours. */
export function paint(style: Style, text: string, isColored = true): string {
  const [on, off] = codes[style];
  return isColored ? `\x1b[${on}m${text}\x1b[${off}m` : text;
}
