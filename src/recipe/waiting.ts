import { type Duration, durationMs } from "../duration.ts";
import { GpuError, InterruptedError, messageOf, systemCode, UsageError } from "../errors.ts";
import { Call } from "../surface/call.ts";
import { derive } from "../surface/child.ts";
import { type RetryOptions, tryAgain } from "./again.ts";
import { newRecord } from "./calls.ts";
import { currentRun, findRun, inRun } from "./current.ts";
import { PlanEnds } from "./planner.ts";

/**
 * Calls `fn` until it does not throw: 3 times in all, with pauses that grow from a second, when nothing else is said.
 * The last error is thrown as it is.
 *
 * ```ts
 * const model = await retry(() => download(url), { attempts: 5, pause: "10s" });
 * await retry(() => push(), { when: (error) => error instanceof ShellError && error.output.exitCode === 75 });
 * ```
 */
export function retry<T>(fn: (attempt: number) => T | Promise<T>, options: RetryOptions = {}): Promise<T> {
  return waitedFor("retry", async () => {
    const { world, signal } = currentRun().context;
    return await tryAgain(fn, options, { world, signal });
  });
}

/**
 * Waits that long; ends with the run. A number is milliseconds.
 *
 * ```ts
 * await sleep("90s");
 * ```
 */
export function sleep(duration: Duration): Promise<void> {
  return waitedFor("sleep", async () => {
    const { planner, context: { world, signal } } = currentRun();
    const ms = durationMs(duration);
    // A plan does not take the time of what it plans.
    if (planner === undefined) await world.clock.sleep(ms, signal);
  });
}

/** How often something is looked at, and for how long. */
export interface PollOptions {
  /** The pause between two looks; `"2s"` when left out. */
  readonly every?: Duration;
  /** When it gives up; `"10m"` when left out: what is rented costs money meanwhile. */
  readonly timeout?: Duration;
}

/**
 * Calls `fn` until it returns something other than `undefined`, `null` or `false`, and returns that. An error counts as
 * "not yet", so a server that is not up may refuse; a mistake of the recipe (a `TypeError`, a wrong argument) does not.
 * When the time is over it fails and says the last error. What `fn` awaits ends with that time.
 *
 * ```ts
 * const models = await poll(async () => {
 *   const answer = await fetch(`${tunnel.url}/v1/models`);
 *   return answer.ok && await answer.json();
 * }, { every: "2s", timeout: "10m" });
 * ```
 */
export function poll<T>(
  fn: (attempt: number, signal: AbortSignal) => T | Promise<T>,
  { every = "2s", timeout = "10m" }: PollOptions = {},
): Promise<Exclude<T, undefined | null | false>> {
  const [everyMs, timeoutMs] = [durationMs(every), durationMs(timeout)];
  return waitedFor("poll", async () => {
    const run = currentRun();
    const { clock } = run.context.world;
    const over = new AbortController();
    const late = new AbortController();
    const signal = AbortSignal.any([run.context.signal, late.signal]);
    const scope = run.within(derive(run.context, { signal }));
    let lastError: unknown;
    clock.sleep(timeoutMs, over.signal).then(() => late.abort(tooLate(timeout, lastError)), () => {});
    const aborted = untilAborted(signal);
    try {
      for (let attempt = 1;; attempt++) {
        try {
          const looking = inRun(scope, async () => await fn(attempt, signal));
          const found = await Promise.race([looking, aborted]);
          if (isFound(found)) return found;
          lastError = undefined;
        } catch (error) {
          if (signal.aborted || isMistake(error)) throw signal.aborted ? signal.reason : error;
          lastError = error;
        }
        await clock.sleep(everyMs, signal);
      }
    } catch (error) {
      // The time came while something was awaited that says it in its own words.
      throw late.signal.aborted && !run.context.signal.aborted ? tooLate(timeout, lastError) : error;
    } finally {
      over.abort();
    }
  });
}

function isFound<T>(value: T): value is Exclude<T, undefined | null | false> {
  return value !== undefined && value !== null && value !== false;
}

function tooLate(timeout: Duration, lastError: unknown): GpuError {
  const waited = typeof timeout === "number" ? `${timeout / 1000} s` : timeout;
  const why = lastError === undefined ? "" : `: ${messageOf(lastError)}`;
  return new GpuError(`\`poll\` waited ${waited} in vain${why}`, { cause: lastError });
}

/** What no waiting mends. Bun's own `fetch` throws a `TypeError` with a code where a connection fails. */
function isMistake(error: unknown): boolean {
  return error instanceof PlanEnds || error instanceof UsageError || error instanceof InterruptedError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError && !/JSON/.test(error.message) ||
    error instanceof TypeError && systemCode(error) === undefined && !/fetch|connect|network/i.test(error.message);
}

function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

/** A promise that somebody has to wait for, but that may lose a race: it never keeps a run from its end. */
export function waitedFor<T>(name: string, start: () => Promise<T>): Promise<T> {
  const record = newRecord(name);
  record.isSettled = true;
  findRun()?.add(record);
  return Call.track(record, start);
}
