import { type Duration, durationMs } from "../duration.ts";
import { GpuError, UsageError } from "../errors.ts";
import { besideRecipe } from "./beside.ts";
import { currentRun } from "./current.ts";

/** Of `onExit`. */
export interface OnExitOptions {
  /** How long it may take, `"10s"` when left out; after Ctrl-C at most 4 seconds. */
  readonly timeout?: Duration;
}

const longestInterruptedMs = 4_000;

/**
 * Does something at the end of the run, however it ends: after its result, an error, a timeout or Ctrl-C, and not after
 * SIGKILL. What is registered last is done first, in one row with instances and tunnels that the run still has: what
 * was started before is still there. What fails here fails the run, and does not keep the rest from being done. Returns
 * what takes it back.
 *
 * ```ts
 * onExit(() => rm("draft", { recursive: true, force: true }));
 * const cancel = onExit(() => notify("the run ended early"));
 * await train();
 * cancel();
 * ```
 */
export function onExit(work: () => unknown, { timeout = "10s" }: OnExitOptions = {}): () => void {
  const longestMs = durationMs(timeout);
  if (typeof work !== "function") throw new UsageError("`onExit` takes a function");
  const run = currentRun();
  if (run.planner) return () => {};
  const { clock } = run.context.world;
  // Only the process itself is interrupted so: what ends a part of the run does not hurry its end.
  const { signal } = run.context;
  return run.own({
    async [Symbol.asyncDispose]() {
      const isInterrupted = signal.aborted && signal.reason instanceof Error &&
        signal.reason.name === "InterruptedError";
      const allowedMs = isInterrupted ? Math.min(longestMs, longestInterruptedMs) : longestMs;
      const over = new AbortController();
      const late = new AbortController();
      const waiting = clock.sleep(allowedMs, over.signal).then(() => {
        const error = new GpuError(`what \`onExit\` does took longer than ${allowedMs / 1000} s`);
        late.abort(error);
        throw error;
      });
      waiting.catch(() => {});
      try {
        await Promise.race([besideRecipe(work, { run, signal: late.signal }), waiting]);
      } finally {
        over.abort();
      }
    },
  });
}
