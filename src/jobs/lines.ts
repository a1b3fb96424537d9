import { Buffer, isUtf8 } from "node:buffer";
import { z } from "zod";
import type { JobStream } from "./read.ts";

/** A line that a job printed. */
export const JobLine = z.object({
  job: z.string().describe("id of the job"),
  stream: z.enum(["stdout", "stderr"]).describe("where it was printed"),
  offset: z.number().describe("byte of the stream with which it begins"),
  text: z.string().describe("the line without its newline; one of more than 64 KiB comes in pieces"),
  encoding: z.enum(["utf8", "base64"]).describe("of the text: base64 where it is not UTF-8"),
});
export type JobLine = z.output<typeof JobLine>;

const longestBytes = 64 * 1024;

/** Cuts one stream of a job at its newlines. */
export class LineCutter {
  readonly #job: string;
  readonly #stream: JobStream;
  #offset: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor({ job, stream, offset }: Pick<JobLine, "job" | "stream" | "offset">) {
    this.#job = job;
    this.#stream = stream;
    this.#offset = offset;
  }

  /** The lines that are complete with these bytes. */
  add(chunk: Uint8Array): JobLine[] {
    const lines: JobLine[] = [];
    for (let rest = Buffer.from(chunk); rest.length > 0;) {
      const newline = rest.subarray(0, longestBytes - this.#pendingBytes).indexOf(10);
      const length = newline < 0 ? Math.min(rest.length, longestBytes - this.#pendingBytes) : newline + 1;
      this.#pending.push(rest.subarray(0, length));
      this.#pendingBytes += length;
      rest = rest.subarray(length);
      if (newline >= 0 || this.#pendingBytes >= longestBytes) lines.push(...this.end());
    }
    return lines;
  }

  /** What has no newline yet. */
  end(): JobLine[] {
    if (this.#pendingBytes === 0) return [];
    const bytes = Buffer.concat(this.#pending);
    const text = bytes.at(-1) === 10 ? bytes.subarray(0, -1) : bytes;
    const encoding = isUtf8(text) ? "utf8" : "base64";
    const line = {
      job: this.#job,
      stream: this.#stream,
      offset: this.#offset,
      text: text.toString(encoding),
      encoding,
    } as const;
    this.#offset += bytes.length;
    this.#pending = [];
    this.#pendingBytes = 0;
    return [line];
  }
}

/** Hands over one item at a time to whoever reads: the work waits until it is taken, and is told to end when nobody reads. */
export async function* handedOver<T>(
  signal: AbortSignal,
  work: (give: (item: T) => Promise<void>, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<T, void, undefined> {
  const left = new AbortController();
  const waiting: { item: T; taken: () => void }[] = [];
  let wake = () => {};
  let outcome: { error?: unknown } | undefined;
  const give = (item: T) =>
    new Promise<void>((taken) => {
      if (left.signal.aborted) return taken();
      waiting.push({ item, taken });
      wake();
    });
  const working = work(give, AbortSignal.any([signal, left.signal])).then(
    () => outcome = {},
    (error) => outcome = { error },
  )
    .finally(() => wake());
  try {
    for (;;) {
      const next = waiting.shift();
      if (next) {
        try {
          yield next.item;
        } finally {
          next.taken();
        }
      } else if (outcome) break;
      else await new Promise<void>((resolve) => wake = resolve);
    }
    if ("error" in outcome) throw outcome.error;
  } finally {
    left.abort(new Error("nobody reads it any more"));
    for (const { taken } of waiting) taken();
    await working;
  }
}
