import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { cutBefore, newline } from "../log-lines.ts";

/** A job may say so much: 1 GiB. */
const defaultMaxBytes = 2 ** 30;

/** A job's log on disk, as it is written: by the job's own process, and before and after it by the server. */
export class JobLog {
  #descriptor: number | undefined;
  readonly #maxBytes: number;
  #leftBytes: number;
  #isMidLine: boolean;
  /** What a full disk did not take. */
  readonly #unsaid: string[] = [];

  private constructor(descriptor: number, maxBytes = defaultMaxBytes) {
    this.#descriptor = descriptor;
    this.#maxBytes = maxBytes;
    this.#leftBytes = maxBytes;
    this.#isMidLine = endsMidLine(descriptor);
  }

  /** A log to write to, up to `maxBytes`; what is in it already stays. */
  static create(path: string, { maxBytes }: { maxBytes?: number } = {}): JobLog {
    return new JobLog(openSync(path, "a+", 0o600), maxBytes);
  }

  /** Writes what the job says. What is beyond the log's size is dropped, and a line says so once. */
  write(text: string | Uint8Array): void {
    if (this.#descriptor === undefined || this.#leftBytes < 0) return;
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    const isTooMuch = bytes.length > this.#leftBytes;
    this.#append(isTooMuch ? bytes.subarray(0, cutBefore(bytes, this.#leftBytes)) : bytes);
    this.#leftBytes = isTooMuch ? -1 : this.#leftBytes - bytes.length;
    if (isTooMuch) this.note(`the log is cut here, at ${sizeText(this.#maxBytes)}; the job goes on`);
  }

  /** Writes a line of whoever runs the job; also into a log that is cut. What cannot be written is tried again by `close`. */
  note(text: string): void {
    try {
      this.#append(Buffer.from(`${this.#isMidLine ? "\n" : ""}gpu: ${text}\n`));
    } catch {
      this.#unsaid.push(text);
    }
  }

  /** Nothing more is written by this one. */
  close(): void {
    for (const text of this.#unsaid.splice(0)) this.note(text);
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #append(bytes: Uint8Array): void {
    if (this.#descriptor === undefined || bytes.length === 0) return;
    for (let at = 0; at < bytes.length;) {
      at += writeSync(this.#descriptor, bytes, at);
      this.#isMidLine = bytes[at - 1] !== newline;
    }
  }
}

/** A process that was killed may have left half a line. */
function endsMidLine(descriptor: number): boolean {
  const { size } = fstatSync(descriptor);
  const last = new Uint8Array(1);
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== newline;
}

function sizeText(bytes: number): string {
  return bytes >= 2 ** 30 ? `${bytes / 2 ** 30} GiB` : bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes} bytes`;
}
