import { UsageError } from "../errors.ts";
import { quoteWord } from "../quote.ts";

/**
 * What may stand in `${…}` of a shell template: it is one word, whatever is in it, and a list is one word for each of
 * its items. Anything else is refused, and so is a value inside of quotes: it is quoted already.
 */
export type ShellValue = string | number | boolean | readonly (string | number | boolean)[];

/** The command that a template means: each value is one word, whatever is in it, and a list is one word for each of its items. */
export function quoteTemplate(strings: TemplateStringsArray, values: readonly ShellValue[]): string {
  let command = strings[0] ?? "";
  values.forEach((value, index) => {
    if (isInsideQuotes(strings.slice(0, index + 1).join("x"))) {
      throw new UsageError("a value of a shell command stands inside quotes", {
        hint: "leave the quotes around `${…}` out: every value is quoted already",
      });
    }
    command += quoteValue(value) + (strings[index + 1] ?? "");
  });
  return command;
}

function quoteValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(quoteOne).join(" ");
  return quoteOne(value);
}

function quoteOne(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") {
    const shown = value === null
      ? "null"
      : value === undefined
      ? "undefined"
      : Array.isArray(value)
      ? "a list in a list"
      : `a value of type ${typeof value}`;
    throw new UsageError(`${shown} cannot stand in a shell command`, {
      hint: "text, numbers, booleans, and lists of them can",
    });
  }
  return quoteWord(value);
}

/** Whether the end of `text`, the beginning of a shell command, is within quotes: a value there would end them. */
function isInsideQuotes(text: string): boolean {
  let quote: "'" | '"' | undefined;
  let isComment = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (isComment) isComment = character !== "\n";
    else if (quote === "'") quote = character === "'" ? undefined : quote;
    else if (character === "\\") index++;
    else if (quote === '"') quote = character === '"' ? undefined : quote;
    else if (character === "'" || character === '"') quote = character;
    else if (character === "#" && /^$|\s/.test(text[index - 1] ?? "")) isComment = true;
  }
  return quote !== undefined;
}
