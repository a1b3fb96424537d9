import { derive } from "../surface/child.ts";
import { type Duration, durationMs } from "../duration.ts";
import { currentRun, inRun } from "./current.ts";

export interface ParallelOptions {
  /** How many run at once; all when left out. */
  readonly limit?: number;
}

/**
 * Calls `fn` for each item, several at once, and returns the results in the order of the items. The first failure ends
 * the others: their calls are aborted, and they are waited for, so that what they opened is closed before it is thrown.
 */
export async function parallel<T, R>(
  items: Iterable<T>,
  fn: (item: T, index: number, signal: AbortSignal) => R | Promise<R>,
  { limit = Infinity }: ParallelOptions = {},
): Promise<R[]> {
  if (!(limit >= 1)) throw new RangeError(`parallel: the limit is \`${limit}\`, but at least 1 must run`);
  const run = currentRun();
  const controller = new AbortController();
  const signal = AbortSignal.any([run.context.signal, controller.signal]);
  const scope = run.within(derive(run.context, { signal }));
  const queue = [...items].entries();
  const results: R[] = [];
  const failures: unknown[] = [];

  // One iterator for all workers: each takes the next item that nobody has.
  const work = async () => {
    for (const [index, item] of queue) {
      if (signal.aborted) return;
      try {
        results[index] = await inRun(scope, () => fn(item, index, signal));
      } catch (error) {
        failures.push(error);
        controller.abort(new SiblingFailed());
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, 10_000) }, work));
  run.context.signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return results;
}

/** Why the siblings of what failed were ended. */
class SiblingFailed extends Error {
  override name = "SiblingFailed";
  override message = "another one of `parallel` failed";
}

export interface RetryOptions {
  /** How often it is tried in all; 3 when left out. */
  readonly attempts?: number;
  /** The pause behind the first failure; it doubles each time, up to 30 s, and half of it is chance. */
  readonly pause?: Duration;
}

/** Calls `fn` until it does not throw. */
export async function retry<T>(
  fn: (attempt: number) => T | Promise<T>,
  { attempts = 3, pause = "1s" }: RetryOptions = {},
): Promise<T> {
  const { world, signal } = currentRun().context;
  for (let attempt = 1;; attempt++) {
    try {
      return await fn(attempt);
    } catch (error) {
      if (attempt >= attempts || signal.aborted) throw error;
      const pauseMs = Math.min(durationMs(pause) * 2 ** (attempt - 1), 30_000);
      const chance = (world.random(1)[0] ?? 0) / 255;
      await world.clock.sleep(pauseMs * (0.5 + chance / 2), signal);
    }
  }
}

/** Waits; ends with the run. */
export async function sleep(duration: Duration): Promise<void> {
  const { world, signal } = currentRun().context;
  await world.clock.sleep(durationMs(duration), signal);
}
