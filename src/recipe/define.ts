import { z } from "zod";
import type { View } from "../command.ts";
import { findRun } from "./current.ts";

/** What a recipe says of itself, and what it does. */
export interface RecipeDefinition<I extends z.ZodObject, T> {
  /** An imperative sentence without a full stop: the first line of its `--help`. */
  readonly summary: string;
  /** More, for `--help`. */
  readonly description?: string;
  /** Its parameters: flags on the command line. */
  readonly input?: I;
  /** The most it may spend, in US dollars: price × lease, checked before anything is rented. */
  readonly budget?: number;
  /** Does the work. What it returns is printed by `--json`; `success: false` in it makes the exit code 1. */
  run(input: z.output<I>): T | Promise<T>;
  /**
   * How what `run` returned is shown to a person, `table(…)` or text; JSON when left out. `--json` always prints the
   * result itself.
   */
  view?(result: NoInfer<T>): View;
}

/** A recipe, as `export default recipe({…})` makes it. */
export interface Recipe<I extends z.ZodObject = z.ZodObject, T = unknown> extends RecipeDefinition<I, T> {
  /** Tells it from what only looks like one. */
  readonly kind: "recipe";
  /** Its parameters; none where it named none. */
  readonly input: I;
}

/** Of a recipe without parameters. */
type NoInput = z.ZodObject<Record<never, never>>;

// One signature: of several, TypeScript explains a mistake by the last, and shows another line.
/** Defines a recipe: `gpu run file.ts` runs what a file exports as its default. */
export function recipe<T, I extends z.ZodObject = NoInput>(definition: RecipeDefinition<I, T>): Recipe<I, T>;
export function recipe(definition: RecipeDefinition<z.ZodObject, unknown>): Recipe {
  findRun()?.declare();
  return { input: z.object({}), ...definition, kind: "recipe" };
}

/** Whether a value was made by `recipe(…)`. */
export function isRecipe(value: unknown): value is Recipe {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "recipe" && "run" in value;
}
