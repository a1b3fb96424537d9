import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { lineEnd, maxLineBytes } from "../log-lines.ts";

/** Lines of a log that were there at once. Each ends in a newline unless it is very long, or the job's last. */
export interface LogLines {
  /** The number of the first one; a log's first line is 1. */
  readonly first: number;
  readonly texts: readonly string[];
}

/** So much is read at a time: what a slow reader holds in memory. */
const pieceBytes = 128 * 2 ** 10;

// Reading never waits in between, so all readers share it.
const piece = Buffer.alloc(maxLineBytes + pieceBytes);

/** A log that may still grow, read from its beginning by its lines. */
export class LogReader implements Disposable {
  #descriptor: number | undefined;
  readonly #path: string;
  #position = 0;
  #number = 0;
  /** How much of the log was seen, half a line at its end included. */
  #seen = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** How many lines were read. */
  get lineCount(): number {
    return this.#number;
  }

  /** The next whole lines; `undefined` where there are none now. `isLast`: a last one without its newline, too. */
  read({ isLast = false }: { isLast?: boolean } = {}): LogLines | undefined {
    const first = this.#number + 1;
    const texts: string[] = [];
    this.#each({ isLast }, (bytes, from, to) => texts.push(bytes.toString("utf8", from, to)));
    return texts.length === 0 ? undefined : { first, texts };
  }

  /** Goes past the next whole lines, at most as far as line `until`. Returns false where there are none. */
  skip(until = Infinity): boolean {
    const before = this.#number;
    this.#each({ isLast: false, until }, () => {});
    return this.#number > before;
  }

  /** Whether there is more than was seen. */
  hasGrown(): boolean {
    return this.#descriptor === undefined || fstatSync(this.#descriptor).size > this.#seen;
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #each(
    { isLast, until = Infinity }: { isLast: boolean; until?: number },
    take: (bytes: Buffer, from: number, to: number) => void,
  ): void {
    const length = this.#fill();
    this.#seen = this.#position + length;
    const bytes = piece.subarray(0, length);
    let from = 0;
    while (this.#number < until) {
      let to = lineEnd(bytes, from);
      // What is left of a piece that is full goes on behind it.
      if (to === 0 && isLast && length < piece.length) to = length;
      if (to <= from) break;
      take(bytes, from, to);
      this.#number++;
      from = to;
    }
    this.#position += from;
  }

  #fill(): number {
    try {
      this.#descriptor ??= openSync(this.#path, "r");
    } catch {
      return 0; // It is not there yet, or not any more.
    }
    // Of a file less than was asked for means that there is no more.
    return readSync(this.#descriptor, piece, 0, piece.length, this.#position);
  }
}
