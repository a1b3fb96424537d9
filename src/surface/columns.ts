import type { Param } from "./param.ts";

/** A line for each flag, on a page of so many characters. */
export function flagRows(params: readonly Param[], page: number): string[] {
  const rows = params.map((param): [string, string] => [
    `  ${param.short ? "" : "    "}${flagLabel(param)}`,
    param.default === true ? `do not ${param.description}` : describe(param),
  ]);
  return columns(rows, { page });
}

/** A flag as it is typed: `-n, --count <count>`. */
export function flagLabel(param: Param): string {
  const value = param.type === "boolean"
    ? ""
    : param.implied !== undefined
    ? ` [${param.implied}]`
    : ` <${param.choices.length > 0 ? param.choices.join("|") : param.placeholder}>`;
  return `${param.short ? `-${param.short}, ` : ""}--${param.default === true ? "no-" : ""}${param.flag}${value}`;
}

/** What a parameter is, with its default and where else it comes from. */
export function describe(param: Param): string {
  const facts = [
    (param.type === "strings" || param.type === "numbers") && param.place === "flag" ? "may be repeated" : undefined,
    defaultText(param.default),
    param.env ? `or ${param.env}` : undefined,
    param.isRequired && param.place === "flag" ? "required" : undefined,
  ].filter((fact) => fact !== undefined);
  return facts.length > 0 ? `${param.description} (${facts.join("; ")})` : param.description;
}

function defaultText(value: unknown): string | undefined {
  if (typeof value === "string" || typeof value === "number") return `default ${value}`;
  return Array.isArray(value) && value.length > 0 ? `default ${value.join(", ")}` : undefined;
}

/** Two columns as wide as the first needs; the second is wrapped to fit the width of a page. */
export function columns(
  rows: readonly (readonly [string, string])[],
  { page = 100 }: { page?: number } = {},
): string[] {
  const width = Math.min(52, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) => {
    const [first = "", ...others] = wrap(right, Math.max(24, page - width - 2));
    return [`${left.padEnd(width)}  ${first}`.trimEnd(), ...others.map((line) => `${" ".repeat(width + 2)}${line}`)];
  });
}

/** Lines of at most so many characters, broken between words; a longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
