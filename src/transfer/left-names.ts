import { leftMark } from "./far-scripts.ts";
import { type Bytes, bytesFrom } from "./names.ts";

/** Reads the names that a command could not deal with, as it prints them. */
export class LeftNames {
  #text = "";

  push(chunk: Uint8Array): void {
    // All names that were sent are shorter.
    if (this.#text.length < longestLeft) this.#text += bytesFrom(chunk);
  }

  /** Of those that it was given: what it prints is data. */
  among(given: Pick<ReadonlySet<Bytes>, "has">): Bytes[] {
    const at = this.#text.indexOf(`${leftMark}\0`);
    if (at < 0) return [];
    return this.#text.slice(at).split("\0").slice(1).map((name) => name.slice(2)).filter((path) => given.has(path));
  }
}

const longestLeft = 64 * 2 ** 20;
