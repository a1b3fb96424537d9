import { UsageError } from "./errors.ts";

/** One word that a POSIX shell reads back as exactly this text. */
export function quoteWord(word: string): string {
  if (word.includes("\0")) throw new UsageError("text with a NUL character cannot stand in a shell command");
  // `=` is quoted too: a first word with one would be an assignment.
  return /^[\w@%+:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line that a POSIX shell splits back into exactly these words. */
export function quote(words: readonly string[]): string {
  return words.map(quoteWord).join(" ");
}

/** What a person typed behind `--`: one word is a line for the shell, several are a program and its arguments. */
export function commandLine(words: readonly string[]): string {
  const [line] = words;
  return words.length === 1 && line !== undefined ? line : quote(words);
}
