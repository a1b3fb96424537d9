import { durationMs } from "../duration.ts";
import { GpuError } from "../errors.ts";
import type { CallOptions, Child } from "./child.ts";

/** A call that may take a time, by the name that messages give it. */
export interface TimedCall {
  readonly name: string;
  readonly child: Child;
  readonly options: CallOptions;
}

/** How long what was told to end may take to clean up behind itself. */
const graceMs = 10_000;

/** Runs `work`, and fails when the call's time is over or its signal fires, once the work has cleaned up behind itself. */
export async function withinTime<T>(call: TimedCall, work: () => Promise<T>): Promise<T> {
  const { signal } = call.child.context;
  signal.throwIfAborted();
  using watch = watchTime(call);
  try {
    return await Promise.race([work(), watch.tooLate]);
  } catch (error) {
    // What the work says when it is cut short matters less than why it was.
    throw signal.aborted ? signal.reason : error;
  }
}

/** The same items, for as long as the call's time lasts; it begins now, not with the first item. `onEnd`: nothing is open any more. */
export function streamWithinTime<T>(
  call: TimedCall,
  items: AsyncIterable<T>,
  onEnd: () => void,
): AsyncGenerator<T, void, undefined> {
  const { signal } = call.child.context;
  signal.throwIfAborted();
  const watch = watchTime(call);
  return (async function* () {
    using _watch = watch;
    const iterator = items[Symbol.asyncIterator]();
    let isDone = false;
    try {
      while (!isDone) {
        const next = await Promise.race([iterator.next(), watch.tooLate]);
        isDone = next.done === true;
        if (!next.done) yield next.value;
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      // Left early: what makes the items closes what it opened, in the time that it has for that.
      if (!isDone) {
        await Promise.race([iterator.return?.(), watch.tooLate]).catch((error) => {
          if (!signal.aborted) throw error;
        });
      }
      onEnd();
    }
  })();
}

interface Watch extends Disposable {
  /** Rejects where the work goes on although it was told to end a while ago. */
  readonly tooLate: Promise<never>;
}

function watchTime({ name, child, options }: TimedCall): Watch {
  const { world: { clock }, signal } = child.context;
  const over = new AbortController();
  if (options.timeout !== undefined) {
    const expired = new GpuError(
      `\`${name}\` took longer than ${options.timeout}${typeof options.timeout === "number" ? " ms" : ""}`,
    );
    // It ends with the run too: what is never read to its end has nobody else to end its time.
    clock.sleep(durationMs(options.timeout), AbortSignal.any([over.signal, signal]))
      .then(() => child.abort(expired), () => {});
  }
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  tooLate.catch(() => {});
  const onAbort = () => void clock.sleep(graceMs, over.signal).then(() => reject(signal.reason), () => {});
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    tooLate,
    [Symbol.dispose]() {
      signal.removeEventListener("abort", onAbort);
      over.abort();
    },
  };
}
