// Everything a terminal takes for a command, but the colours (SGR: `ESC [ … m`), newline and tab.
const sequences =
  // deno-lint-ignore no-control-regex
  /\x1b\[[0-9;:]*m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Text from elsewhere, made harmless for a terminal: colours stay, cursor games, titles and clipboards go. */
export function safeText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(sequences, (found) => (/^\x1b\[[0-9;:]*m$/.test(found) ? found : ""));
}

/** Text from elsewhere as one line of plain characters: an id, a name, what a server said. */
export function oneLine(text: string, maxLength = Infinity): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, " ").trim().slice(0, maxLength);
}
