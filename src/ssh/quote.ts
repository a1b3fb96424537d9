/** One word that a POSIX shell reads back as exactly this text. */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
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
