import { GpuError } from "../errors.ts";
import { leftMark, packMark } from "./far-scripts.ts";
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

/** So many bytes a start-up file may print. */
const longestGreeting = 2 ** 20;

/** The archive behind its mark: before it, a start-up file may have printed something. */
export async function* behindMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const at = head.indexOf(packMark);
    if (at < 0 && head.length < longestGreeting) continue;
    if (at < 0) throw new GpuError("what `tar` sent cannot be read");
    yield head.subarray(at + packMark.length);
    head = undefined;
  }
}
