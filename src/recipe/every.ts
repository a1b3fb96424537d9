import { AsyncLocalStorage } from "node:async_hooks";
import { type Duration, durationMs } from "../duration.ts";
import { messageOf } from "../errors.ts";
import type { World } from "../world.ts";
import { besideRecipe } from "./beside.ts";
import { findRun } from "./current.ts";

/** Something that is done again and again beside the recipe. */
export interface Repeated extends AsyncDisposable {
  /** Begins it no more, and waits for the one that is at work. */
  stop(): Promise<void>;
}

interface Repeating {
  readonly clock: Pick<World["clock"], "sleep">;
  readonly every: Duration;
  work(): unknown;
  /** It is said, and tried again when its time comes. */
  onFailure(why: string): void;
}

/** Does `work` again and again; each pause begins when the one before is done. What fails does not end the recipe. */
export function repeat({ clock, every, work, onFailure }: Repeating): Repeated {
  const pauseMs = durationMs(every);
  if (pauseMs < leastPauseMs) throw new RangeError(`every: \`${every}\` is less than ${leastPauseMs} ms`);
  const run = findRun();
  const over = new AbortController();
  // Work goes on to its end when this is stopped, and ends with the run.
  const signal = run?.context.signal ?? new AbortController().signal;
  const waiting = AbortSignal.any([over.signal, signal]);
  const inside = new AsyncLocalStorage<true>();
  const go = async () => {
    while (!waiting.aborted) {
      await clock.sleep(pauseMs, waiting).catch(() => {});
      if (waiting.aborted) return;
      try {
        await inside.run(true, () => besideRecipe(work, { run, signal }));
      } catch (error) {
        if (!signal.aborted) onFailure(messageOf(error));
      }
    }
  };
  const going = go();
  const stop = async () => {
    over.abort(new Error("it is not done any more"));
    // Work that stops the instance would wait for its own end.
    if (!inside.getStore()) await going;
  };
  return { stop, [Symbol.asyncDispose]: stop };
}

/** What comes more often than that is a mistake in the unit. */
const leastPauseMs = 50;
