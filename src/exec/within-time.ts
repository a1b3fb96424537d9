import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";

/** What took longer than it may. */
export class TimeOver extends GpuError {
  override name = "TimeOver";
}

interface Limit {
  readonly signal: AbortSignal;
  /** Milliseconds; no limit when undefined. */
  readonly ms: number | undefined;
  late(ms: number): string;
}

/** Tells the work to end when its time is over, and throws a `TimeOver` then, once the work has ended. */
export async function withinTime<T>(
  { world: { clock } }: Pick<Context, "world">,
  { signal, ms, late }: Limit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (ms === undefined) return await work(signal);
  const over = new AbortController();
  const expired = new AbortController();
  clock.sleep(ms, AbortSignal.any([over.signal, signal])).then(() => expired.abort(new TimeOver(late(ms))), () => {});
  try {
    return await work(AbortSignal.any([signal, expired.signal]));
  } catch (error) {
    if (expired.signal.aborted && !signal.aborted) throw expired.signal.reason;
    throw error;
  } finally {
    over.abort();
  }
}
