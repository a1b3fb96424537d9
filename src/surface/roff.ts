// Pages for man(1), in the macros of man(7).
import { wrap } from "./columns.ts";

/** The first line of a page, which also fills its head and foot. */
export function title({ name, version, date }: { name: string; version: string; date: number }): string {
  const day = new Date(date).toISOString().slice(0, 10);
  return `.TH "${safe(name.toUpperCase())}" 1 "${day}" "gpu ${safe(version)}" "gpu"`;
}

/** Text that runs on, with what stands in backticks in bold. A paragraph of its own. */
export function paragraph(text: string): string[] {
  return [".PP", ...lines(text)];
}

/** Lines as they stand. Blank ones around them go: a paragraph begins with one anyway. */
export function verbatim(lines: readonly string[]): string[] {
  const text = lines.join("\n").replace(/^\n+|\s+$/g, "");
  return text === "" ? [] : [".PP", ".nf", ...text.split("\n").map((line) => `\\&${safe(line)}`), ".fi"];
}

/** A term, ready for roff, and what is said of it; `""` where nothing is. */
export function item(term: string, text: string): string[] {
  return [".TP", term, ...(text === "" ? ["\\&"] : lines(text))];
}

/** The lines of a page, without what is too much: a heading begins a paragraph by itself. */
export function joined(lines: readonly string[]): string {
  return lines.filter((line, index) => line !== ".PP" || !lines[index - 1]?.startsWith(".SH")).join("\n");
}

/** What is typed as it stands: in bold, with dashes that can be copied. */
export function literal(text: string): string {
  return `\\fB${safe(text)}\\fR`;
}

/** One line of text with what stands in backticks in bold. */
export function prose(text: string): string {
  return text.split("`").map((part, index) => index % 2 === 1 ? literal(part) : safe(part)).join("");
}

/** Lines of at most 80 characters; a dot or quote in front would be a request, and a space in front an indent. */
function lines(text: string): string[] {
  return text.split("\n").flatMap((line) => wrap(prose(line.trim()), 79)).map((line) =>
    line.replace(/^(?=[.'])/, "\\&")
  );
}

/** No character of it is a request or an escape. What is not ASCII is named, for every output there is. */
function safe(text: string): string {
  return text.replaceAll("…", "...").replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq").replaceAll(
    '"',
    "\\(dq",
  )
    .replaceAll(
      "`",
      "\\(ga",
    ).replaceAll("^", "\\(ha").replaceAll("~", "\\(ti")
    .replace(/[^\x20-\x7e]/gu, (character) => {
      const code = character.codePointAt(0) ?? 0;
      return code < 0x20 || code === 0x7f ? " " : `\\[u${code.toString(16).toUpperCase().padStart(4, "0")}]`;
    });
}
