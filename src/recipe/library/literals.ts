import type { Expression } from "./expression.ts";

/** Long texts are written in several lines. */
export function joined(before: unknown, after: Expression): Expression {
  const isText = typeof before === "string" && after.kind === "literal" && typeof after.value === "string";
  return isText ? { kind: "literal", value: before + after.value } : { kind: "unknown" };
}

/** A word as the value, or the name, that it is. */
export function wordOf(text: string): Expression {
  if (text === "true" || text === "false") return { kind: "literal", value: text === "true" };
  if (text === "null") return { kind: "literal", value: null };
  return /^(?:async|await|class|function|new|typeof|void|yield)$/.test(text)
    ? { kind: "unknown" }
    : { kind: "name", name: text };
}

/** The value of a number as it is written in source. */
export function numberOf(text: string): number {
  return Number(text.replaceAll("_", ""));
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", "0": "\0" };

/** The value of a string or template, from what stands between its quotes. */
export function textOf(raw: string): Expression {
  const value = raw.replace(
    /\\(?:u\{([\da-fA-F]+)\}|u([\da-fA-F]{4})|x([\da-fA-F]{2})|([\s\S]))/g,
    (whole, braced, four, two, letter) => {
      const code = Number.parseInt(braced ?? four ?? two ?? "", 16);
      if (letter === undefined) return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
      return letter === "\n" ? "" : escapes[letter] ?? letter;
    },
  );
  return { kind: "literal", value };
}
