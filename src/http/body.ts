import type { Clock } from "../world.ts";
import { watchQuiet } from "./quiet.ts";

export interface BodyLimits {
  readonly clock: Clock;
  /** How long nothing may come; 0: for ever. */
  readonly quietMs: number;
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/** What an answer holds, as far as it came. */
export interface Body {
  readonly text: string;
  /** Why it is not whole: a `TooLargeError`, a `QuietError`, the signal's reason, or what cut the connection. */
  readonly failure: unknown;
}

/** More came than is read. */
export class TooLargeError extends Error {
  override name = "TooLargeError";

  constructor(maxBytes: number) {
    super(`larger than ${maxBytes >= 2 ** 20 ? `${maxBytes / 2 ** 20} MiB` : `${maxBytes / 2 ** 10} KiB`}`);
  }
}

/** Reads an answer to its end, for as long as something comes and it is not too large. Never throws. */
export async function readBody({ body }: Response, { clock, quietMs, maxBytes, signal }: BodyLimits): Promise<Body> {
  if (body === null) return { text: "", failure: undefined };
  using watch = watchQuiet({ clock, quietMs, signal });
  const reader = abortable(body, watch.signal).getReader();
  const decoder = new TextDecoder();
  let text = "";
  let left = maxBytes;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { text: text + decoder.decode(), failure: undefined };
      watch.touch();
      text += decoder.decode(value.subarray(0, left), { stream: true });
      left -= value.length;
      if (left < 0) throw new TooLargeError(maxBytes);
    }
  } catch (failure) {
    reader.cancel(failure).catch(() => {});
    return { text, failure };
  }
}

/** The same bytes; a read that waits when the signal fires is rejected with its reason. */
export function abortable(source: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  // Ends the read that waits. A race with one promise for all reads would keep what each of them gave.
  let giveUp: (reason: unknown) => void = () => {};
  signal.addEventListener("abort", () => giveUp(signal.reason), { once: true });
  const read = () =>
    new Promise<Awaited<ReturnType<typeof reader.read>>>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      giveUp = reject;
      reader.read().then(resolve, reject);
    });
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await read();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      } catch (error) {
        reader.cancel(error).catch(() => {});
        throw error;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
