import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** An archive that is refused; the message is for the job's log. */
export class ArchiveError extends Error {
  override name = "ArchiveError";
}

/** What is told of an archive whose parts do not fit together. */
export function damaged(): ArchiveError {
  return new ArchiveError("its directory is damaged, or it was cut off");
}

/** So much is read at a time. */
const pieceBytes = 2 ** 20;

/** An archive's bytes. Who asks for them in order has them in large pieces, not with two calls of the system an entry. */
export class ArchiveFile implements Disposable {
  readonly size: number;
  readonly #descriptor: number;
  /** What was read last, and where it begins. */
  #piece: Buffer = Buffer.alloc(0);
  #from = 0;

  constructor(path: string) {
    this.#descriptor = openSync(path, "r");
    this.size = fstatSync(this.#descriptor).size;
  }

  /** So many bytes from there, or an `ArchiveError`. They are good until the next call. */
  read(position: number, length: number): Buffer {
    if (position < 0 || length < 0 || position + length > this.size) throw damaged();
    const at = position - this.#from;
    if (at >= 0 && at + length <= this.#piece.length) return this.#piece.subarray(at, at + length);
    this.#piece = this.#bytes(position, Math.min(Math.max(length, pieceBytes), this.size - position));
    this.#from = position;
    return this.#piece.subarray(0, length);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #bytes(position: number, length: number): Buffer {
    const bytes = length === this.#piece.length ? this.#piece : Buffer.alloc(length);
    for (let at = 0; at < length;) {
      const count = readSync(this.#descriptor, bytes, at, length - at, position + at);
      if (count === 0) throw damaged();
      at += count;
    }
    return bytes;
  }
}
