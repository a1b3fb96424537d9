import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";

/** One line of a job, counted from 1. It ends in a newline unless it is very long, or the job's last. */
export interface LogLine {
  readonly number: number;
  readonly text: string;
}

/** A line is handed on at this length even without a newline. */
const maxLineBytes = 64 * 2 ** 10;

/** A job may say so much: 1 GiB. */
const defaultMaxBytes = 2 ** 30;

/** A job's log on disk: written once, followed by any number of readers while it grows. */
export class JobLog {
  readonly #path: string;
  #descriptor: number | undefined;
  #growth = Promise.withResolvers<void>();
  readonly #maxBytes: number;
  #leftBytes: number;
  #isMidLine = false;

  private constructor(path: string, descriptor: number | undefined, maxBytes = defaultMaxBytes) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#maxBytes = maxBytes;
    this.#leftBytes = maxBytes;
  }

  /** A log that a job will write, up to `maxBytes`. */
  static create(path: string, { maxBytes }: { maxBytes?: number } = {}): JobLog {
    return new JobLog(path, openSync(path, "a", 0o600), maxBytes);
  }

  /** The log of a job that is over. */
  static finished(path: string): JobLog {
    return new JobLog(path, undefined);
  }

  /** Writes what the job says. What is beyond the log's size is dropped, and a line says so once. */
  write(text: string | Uint8Array): void {
    if (this.#descriptor === undefined || this.#leftBytes < 0) return;
    const bytes = Buffer.from(text);
    const isTooMuch = bytes.length > this.#leftBytes;
    this.#append(isTooMuch ? bytes.subarray(0, cutBefore(bytes, this.#leftBytes)) : bytes);
    this.#leftBytes = isTooMuch ? -1 : this.#leftBytes - bytes.length;
    if (isTooMuch) this.note(`the log is cut here, at ${sizeText(this.#maxBytes)}; the job goes on`);
    this.#wake();
  }

  /** Writes a line of whoever runs the job; also into a log that is cut. */
  note(text: string): void {
    this.#append(Buffer.from(`${this.#isMidLine ? "\n" : ""}gpu: ${text}\n`));
    this.#wake();
  }

  #append(bytes: Buffer): void {
    if (this.#descriptor === undefined || bytes.length === 0) return;
    for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at);
    this.#isMidLine = bytes.at(-1) !== newline;
  }

  /** Nothing more comes: followers end after the last line. */
  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#wake();
  }

  /** How many whole lines there are now. */
  async lineCount(): Promise<number> {
    let count = 0;
    const bytes = this.#descriptor === undefined ? undefined : fstatSync(this.#descriptor).size;
    for await (const line of this.#lines(() => true, bytes)) count = line.number;
    return count;
  }

  /** The lines behind `after`, and then each as soon as it is written, until the log is closed. */
  async *follow({ after, signal }: { after: number; signal?: AbortSignal }): AsyncGenerator<LogLine> {
    for await (const line of this.#lines(() => this.#descriptor === undefined, undefined, signal)) {
      if (line.number > after) yield line;
    }
  }

  /** Where lines end depends on the bytes alone, so numbers are the same in every reading. */
  async *#lines(
    isClosed: () => boolean,
    upTo: number | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<LogLine> {
    const file = await open(this.#path, "r").catch(() => undefined);
    if (file === undefined) return;
    await using _closing = file;
    let rest: Buffer = Buffer.alloc(0);
    let position = 0;
    let number = 0;
    for (;;) {
      // Asked before reading: what is written between the two is then read in the next round.
      const growth = this.#growth.promise;
      const wasClosed = isClosed();
      const piece = Buffer.alloc(Math.min(maxLineBytes, (upTo ?? Infinity) - position));
      const { bytesRead } = await file.read(piece, 0, piece.length, position);
      position += bytesRead;
      rest = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
      for (;;) {
        const end = lineEnd(rest);
        if (end === 0) break;
        yield { number: ++number, text: rest.toString("utf8", 0, end) };
        rest = rest.subarray(end);
      }
      if (bytesRead > 0) continue;
      if (wasClosed) {
        if (rest.length > 0 && upTo === undefined) yield { number: ++number, text: rest.toString("utf8") };
        return;
      }
      await growthOr(growth, signal);
      if (signal?.aborted) return;
    }
  }

  #wake(): void {
    this.#growth.resolve();
    this.#growth = Promise.withResolvers<void>();
  }
}

/** The length of the first line, 0 when it is not complete yet. A cut never goes through a character. */
function lineEnd(bytes: Buffer): number {
  const at = bytes.indexOf(newline);
  if (at >= 0 && at < maxLineBytes) return at + 1;
  if (bytes.length < maxLineBytes) return 0;
  return cutBefore(bytes, maxLineBytes);
}

const newline = 10;

/** The last place up to `length` that is not inside a character. */
function cutBefore(bytes: Buffer, length: number): number {
  let end = length;
  while (end > 0 && end > length - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return end;
}

function sizeText(bytes: number): string {
  return bytes >= 2 ** 30 ? `${bytes / 2 ** 30} GiB` : bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes} bytes`;
}

function growthOr(growth: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return growth;
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done);
    growth.then(done);
  });
}
