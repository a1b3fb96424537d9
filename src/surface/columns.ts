import type { Param } from "./param.ts";

/** A line for each flag. */
export function flagRows(params: readonly Param[]): string[] {
  return columns(params.map((param) => {
    const negated = param.default === true;
    const value = param.type === "boolean"
      ? ""
      : ` <${param.choices.length > 0 ? param.choices.join("|") : param.placeholder}>`;
    const short = param.short ? `-${param.short}, ` : "    ";
    return [
      `  ${short}--${negated ? "no-" : ""}${param.flag}${value}`,
      negated ? `do not ${param.description}` : describe(param),
    ];
  }));
}

/** What a parameter is, with its default and where else it comes from. */
export function describe(param: Param): string {
  const facts = [
    param.type === "strings" && param.place === "flag" ? "may be repeated" : undefined,
    typeof param.default === "string" || typeof param.default === "number" ? `default ${param.default}` : undefined,
    param.env ? `or ${param.env}` : undefined,
    param.isRequired && param.place === "flag" ? "required" : undefined,
  ].filter((fact) => fact !== undefined);
  return facts.length > 0 ? `${param.description} (${facts.join("; ")})` : param.description;
}

/** Two columns as wide as the first needs. */
export function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(40, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`.trimEnd());
}
