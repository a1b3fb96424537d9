import type { z } from "zod";
import type { Recipe } from "../define.ts";
import type { TestClock } from "./test-clock.ts";

/** How `testRecipe` runs a recipe. */
export interface TestRecipeOptions<I extends z.ZodObject = z.ZodObject> {
  /** Its parameters; what has a default may be left out. */
  readonly input?: z.input<I>;
  /** `local`: machines of this computer. `lambda`: an emulated Lambda Cloud, served for this one run. `local` when left out. */
  readonly provider?: "local" | "lambda";
  /** What goes wrong in the emulated cloud, by preset: `flaky`, `lost-answers`, `capacity`, … as `gpu emulate lambda --help` lists. */
  readonly faults?: readonly string[];
  /** Of a hundred things that can break, so many do: connections, answers, instances. */
  readonly chaos?: number;
  /** Decides what chance decides: the same seed meets the same trouble. 1 when left out. */
  readonly seed?: number;
  /** What it may spend in dollars that are not real; the recipe's own budget when left out. */
  readonly budget?: number;
  /** Time in the test's hands; the real one when left out. */
  readonly clock?: TestClock;
}

/** One call of a function of `gpu`, as a recipe made it. */
export interface TestedCall {
  /** `start`, `ci submit test`: the words of the command. */
  readonly name: string;
  /** What it was given, without what it left out. */
  readonly input: Readonly<Record<string, unknown>>;
  /** What it failed with, if it did. */
  readonly error: string | undefined;
}

/** An instance that a recipe rented in a test. */
export interface TestedInstance {
  /** As its provider names it. */
  readonly id: string;
  /** As it was named; null without a name. */
  readonly name: string | null;
  /** Its offer: `gpu_1x_a10`. */
  readonly type: string;
  /** Where it ran. */
  readonly region: string;
  /** `local`, or the emulated cloud. */
  readonly provider: string;
  /** US dollars. */
  readonly pricePerHour: number;
  /** How long it was rented for, in hours. */
  readonly leaseHours: number;
  /** Why it outlives the run, where `keep()` said so. */
  readonly keptWhy: string | null;
}

/** What became of a recipe that was run by `testRecipe`. */
export interface TestedRecipe<T = unknown> {
  /** What it returned. Throws what it failed with, if it failed. */
  readonly result: T;
  /** What it failed with; undefined when it did not. */
  readonly error: Error | undefined;
  /** What `gpu run` would exit with: 0, 1 when it failed or returned `success: false`, or its own. */
  readonly exitCode: number;
  /** Its calls of `gpu`, in order. Commands on machines are not among them. */
  readonly calls: readonly TestedCall[];
  /** What it rented. */
  readonly rented: readonly TestedInstance[];
  /** What the emulated cloud would have billed, in US dollars; 0 on local machines. */
  readonly costDollars: number;
  /** Instances that still ran at its end and that `keep()` did not keep: none, whatever happened. */
  readonly leftBehind: readonly string[];
  /** How often each thing went wrong, under `faults` and `chaos`. */
  readonly broke: Readonly<Record<string, number>>;
  /** What `gpu` said on stderr meanwhile, errors too. */
  readonly said: string;
}

/**
 * Runs a recipe in a test: on machines of this computer or on an emulated cloud, with a journal, a configuration and
 * keys of its own. It costs nothing and reaches nothing else. It never rejects for what the recipe does wrong: look at
 * `error`, or read `result`, which throws it.
 *
 * ```ts
 * // train.test.ts, run by `gpu recipe test`
 * import { expect, test } from "bun:test";
 * import { testRecipe } from "gpu";
 * import train from "./train.ts";
 *
 * test("trains on one machine and gives it back", async () => {
 *   const { result, rented, leftBehind } = await testRecipe(train, { input: { epochs: 1 }, provider: "lambda" });
 *   expect(result).toEqual({ success: true });
 *   expect(rented).toHaveLength(1);
 *   expect(leftBehind).toEqual([]);
 * });
 * ```
 *
 * Throws a `GpuError` outside of `gpu recipe test`.
 */
export async function testRecipe<T, I extends z.ZodObject>(
  recipe: Recipe<I, T>,
  options: TestRecipeOptions<I> = {},
): Promise<TestedRecipe<T>> {
  const { tryRecipe } = await import("./trial.ts");
  return await tryRecipe(recipe, options);
}
