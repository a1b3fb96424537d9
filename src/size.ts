import { UsageError } from "./errors.ts";

const units = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

/** An amount of data as text: `"500MB"` of a thousand thousand bytes each, `"16GiB"` of 2³⁰ each. */
// `${number}` would let spaces in: `"5 "` is a number to TypeScript.
export type SizeText = `${bigint | `${bigint}.${"" | "0"}${bigint}`}${keyof typeof units}`;

/** An amount of data: text with its unit, `"16GiB"`; or a number of bytes, for one that is computed. */
export type Size = number | SizeText;

/** What text is an amount of data. */
export const sizePattern = /^\d+(\.\d+)?(B|kB|[KMGT]B|[KMGT]iB)$/;

/** Bytes of an amount of data, rounded to a whole one. */
export function sizeBytes(size: Size | string): number {
  if (typeof size === "number" && size >= 0) return Math.round(size);
  if (typeof size === "string" && sizePattern.test(size)) {
    const [, amount, unit] = /^([\d.]+)(\w+)$/.exec(size) ?? [];
    if (isUnit(unit)) return Math.round(Number(amount) * units[unit]);
  }
  throw new UsageError(`\`${size}\` is not an amount of data`, {
    hint: "bytes as a number, or text like `500MB`, `16GiB`",
  });
}

function isUnit(word: string | undefined): word is keyof typeof units {
  return word !== undefined && Object.hasOwn(units, word);
}
