// deno-lint-ignore no-control-regex
const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

/**
 * What a terminal takes for a command (ECMA-48, xterm's ctlseqs): colours, other control sequences, strings (titles,
 * clipboards), which end at the line's end even where their terminator is missing, short escapes, and control characters.
 */
const commands =
  // deno-lint-ignore no-control-regex
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|\r+\n?|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
// deno-lint-ignore no-control-regex
const color = /^\x1b\[[0-9;:]*m$/;
// deno-lint-ignore no-control-regex
const noColor = /^\x1b\[[0;:]*m$/;

/** The beginning of a command, at the end of a text. */
// deno-lint-ignore no-control-regex
const unfinished = /(?:\x1b(?:\[[0-?]*[ -/]*|[\]P^_X][^\x07\x1b\n]*\x1b?|[ -/]*)|\r+)$/;
/** A string that is longer is cut: what follows is shown as the text it is. */
const longestHeld = 4096;

/**
 * What a machine printed made harmless for a terminal, also where a command is split over two pieces of it: colours stay where
 * they are wanted, titles, clipboards and cursor games go, and what was to overwrite its line gets a line of its own.
 */
export class LogText {
  readonly #isColored: boolean;
  #held = "";
  #isLineStart = true;
  #isColorOn = false;

  constructor({ isColored }: { isColored: boolean }) {
    this.#isColored = isColored;
  }

  /** What of it is complete. */
  write(piece: string): string {
    const text = this.#held + piece;
    this.#held = "";
    if (!controls.test(text)) return this.#shown(text);
    const held = unfinished.exec(text.slice(-longestHeld - 1))?.[0] ?? "";
    const isHeld = held.length > 0 && held.length <= longestHeld;
    this.#held = isHeld ? held : "";
    return this.#shown(this.#harmless(isHeld ? text.slice(0, -held.length) : text));
  }

  /** What is left at the end, and the end of a colour that was left on. */
  end(): string {
    const text = this.#harmless(this.#held);
    this.#held = "";
    const isColorOn = this.#isColorOn;
    this.#isColorOn = false;
    return isColorOn ? `${text}\x1b[0m` : text;
  }

  #harmless(text: string): string {
    return text.replace(commands, (found, at: number) => {
      if (found.startsWith("\r")) {
        if (found.endsWith("\n")) return "\n";
        const isLineStart = at === 0 ? this.#isLineStart : text[at - 1] === "\n";
        return isLineStart ? "" : "\n";
      }
      if (!this.#isColored || !color.test(found)) return "";
      this.#isColorOn = !noColor.test(found);
      return found;
    });
  }

  #shown(text: string): string {
    if (text !== "") this.#isLineStart = text.endsWith("\n");
    return text;
  }
}
