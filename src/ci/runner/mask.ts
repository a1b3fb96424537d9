/** A secret that is shorter would be found in every other word. */
const minLength = 4;

/**
 * Takes secrets out of a text that comes in pieces. Each line of a secret with several counts. What may be the beginning
 * of one at the end of a piece is held back until the next, or `end`.
 */
export class Masker {
  readonly #secrets: readonly string[];
  #held = "";

  constructor(secrets: readonly string[]) {
    const lines = secrets.flatMap((secret) => [secret, ...secret.split(/\r?\n/)]);
    this.#secrets = [...new Set(lines.filter((line) => line.trim().length >= minLength))]
      .toSorted((a, b) => b.length - a.length);
  }

  write(text: string): string {
    return this.#secrets.length === 0 ? text : this.#mask(text, (rest) => this.#beginningAtEnd(rest));
  }

  end(): string {
    return this.#mask("", () => 0);
  }

  #mask(text: string, heldBack: (rest: string) => number): string {
    const all = this.#held + text;
    let shown = "";
    let from = 0;
    for (;;) {
      const certain = all.length - heldBack(all.slice(from));
      const next = this.#next(all, from);
      // A longer secret may begin where a shorter one stands whole.
      if (next === undefined || next.at >= certain) {
        this.#held = all.slice(certain);
        return shown + all.slice(from, certain);
      }
      shown += `${all.slice(from, next.at)}***`;
      from = next.at + next.length;
    }
  }

  /** The first secret, the longest of those that begin there. */
  #next(text: string, from: number): { at: number; length: number } | undefined {
    let found: { at: number; length: number } | undefined;
    for (const secret of this.#secrets) {
      const at = text.indexOf(secret, from);
      if (at >= 0 && (found === undefined || at < found.at)) found = { at, length: secret.length };
    }
    return found;
  }

  /** How many characters at the end may begin a secret. */
  #beginningAtEnd(text: string): number {
    let longest = 0;
    for (const secret of this.#secrets) {
      for (let length = Math.min(secret.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(secret.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
