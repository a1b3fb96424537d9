import { newRecord } from "./calls.ts";
import { currentRun } from "./current.ts";

/** What JSON can hold. */
export type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [key: string]: Json };

/**
 * Does a piece of work once, however often the recipe has to be run: with `gpu run --resume <run>` it returns what it
 * returned then and does not do it again. It is shown as one line under its key, with what it calls below it.
 *
 * The key is the only thing that it is known by, so each step of a run has its own. What it returns has to be what JSON
 * can hold, of at most 1 MiB; a `GpuError` is thrown where it is not, and a `UsageError` where two steps have one key.
 *
 * ```ts
 * const rows = await step("prepare the data", async () => {
 *   await box.$`python3 prepare.py`;
 *   return Number(await box.$`wc -l < data.csv`.text());
 * });
 * ```
 */
export function step<T extends Json | void>(key: string, work: () => T | Promise<T>): Promise<T> {
  const run = currentRun();
  return run.track(newRecord(`step(${JSON.stringify(key)})`), () => currentRun().step(key, async () => await work()));
}
