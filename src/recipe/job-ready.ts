import { durationMs, spanText } from "../duration.ts";
import { GpuError, messageOf } from "../errors.ts";
import { type Job, stateText } from "../jobs/job.ts";
import { safeText } from "../safe-text.ts";
import type { World } from "../world.ts";
import type { JobLogOptions, JobReadyOptions } from "./detached-job.ts";

interface Readying {
  readonly name: string;
  readonly clock: Pick<World["clock"], "monotonic" | "sleep">;
  readonly signal: AbortSignal;
  check(signal: AbortSignal): boolean | Promise<boolean>;
  /** Resolves when the job has ended. */
  ended(signal: AbortSignal): Promise<Job>;
  read(options: JobLogOptions, signal: AbortSignal): AsyncIterable<string>;
  readonly options: JobReadyOptions | undefined;
}

/** One look may take this long, in milliseconds: a server that takes a connection and says nothing is not ready. */
const lookMs = 10_000;
const lastLines = 12;

/** Looks until `check` is true; fails when the job ends before that, or the time is over. */
export async function waitUntilReady(
  { name, clock, signal, check, ended, read, options: { every = "1s", timeout = "10m" } = {} }: Readying,
): Promise<void> {
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const giveUpAt = clock.monotonic() + durationMs(timeout);
  let end: Job | undefined;
  const watching = ended(until).then((state) => void (end = state), () => {});
  let last: unknown;
  const look = async (): Promise<boolean> => {
    const attempt = new AbortController();
    const late = clock.sleep(lookMs, AbortSignal.any([until, attempt.signal])).then(() => {
      attempt.abort(new GpuError(`no answer in ${lookMs / 1000} s`));
    }, () => {});
    try {
      const checking = Promise.resolve(check(AbortSignal.any([until, attempt.signal])));
      return await Promise.race([checking, late.then(() => false), watching.then(() => false)]) === true;
    } catch (error) {
      last = error;
      return false;
    } finally {
      attempt.abort();
    }
  };
  const lastWords = async (): Promise<string> => {
    const lines: string[] = [];
    for await (const line of read({ follow: false, tail: lastLines }, signal)) lines.push(safeText(line));
    return lines.length === 0 ? "" : `:\n${lines.slice(-lastLines).join("\n")}`;
  };
  try {
    for (;;) {
      signal.throwIfAborted();
      if (await look()) return;
      signal.throwIfAborted();
      if (end !== undefined) {
        throw new GpuError(`the job \`${name}\` ended before it was ready: ${stateText(end)}${await lastWords()}`);
      }
      if (clock.monotonic() >= giveUpAt) {
        const why = last === undefined ? "" : ` (${messageOf(last).split(". ")[0]})`;
        throw new GpuError(
          `the job \`${name}\` was not ready after ${spanText(durationMs(timeout))}${why}${await lastWords()}`,
        );
      }
      await Promise.race([clock.sleep(durationMs(every), until).catch(() => {}), watching]);
    }
  } finally {
    over.abort(new Error("nobody waits any more"));
    await watching;
  }
}
