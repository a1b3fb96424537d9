import { type Duration, durationMs } from "../duration.ts";
import { InterruptedError, UsageError } from "../errors.ts";
import type { World } from "../world.ts";
import { PlanEnds } from "./planner.ts";

/** How something is tried again. */
export interface RetryOptions {
  /** How often it is tried in all; 3 when left out. */
  readonly attempts?: number;
  /** The pause behind the first failure, `"1s"` when left out; it doubles each time, up to 30 s, and half of it is chance. */
  readonly pause?: Duration;
  /** Whether a failure is worth another attempt; every one is when left out. */
  readonly when?: (error: unknown, attempt: number) => boolean;
}

interface Trying {
  readonly world: Pick<World, "clock" | "random">;
  readonly signal: AbortSignal;
  /** Hears of each failure that is followed by another attempt. */
  onFailure?(failure: { error: unknown; attempt: number; attempts: number; pauseMs: number }): void;
}

const longestPauseMs = 30_000;

/** Does `work` until it does not throw, or until it has been tried often enough: then its last error is thrown. */
export async function tryAgain<T>(
  work: (attempt: number) => T | Promise<T>,
  options: RetryOptions,
  { world, signal, onFailure }: Trying,
): Promise<T> {
  const { attempts, pauseMs, when = () => true } = checkRetry(options);
  for (let attempt = 1;; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const isOver = attempt >= attempts || signal.aborted || error instanceof InterruptedError ||
        error instanceof PlanEnds;
      if (isOver || !when(error, attempt)) throw error;
      const wholeMs = Math.min(pauseMs * 2 ** (attempt - 1), longestPauseMs);
      const thisMs = wholeMs * (0.5 + (world.random(1)[0] ?? 0) / 510);
      onFailure?.({ error, attempt, attempts, pauseMs: thisMs });
      await world.clock.sleep(thisMs, signal);
    }
  }
}

/** What was asked for, with what was left out. Refuses what would never try, or for ever by mistake. */
export function checkRetry({ attempts = 3, pause = "1s", when }: RetryOptions) {
  if (!(attempts >= 1)) throw new UsageError(`\`attempts\` is \`${attempts}\`, and at least 1 has to be made`);
  return { attempts, pauseMs: durationMs(pause), when };
}
