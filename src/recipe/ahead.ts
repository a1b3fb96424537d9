import { checkRecipe, type Diagnostic } from "./check.ts";
import type { CheckWorld } from "./checker.ts";
import { openRecipe, type RecipeFile } from "./open.ts";

/** A recipe that was found, and what its check says, which may take a while longer. */
export interface Ahead {
  readonly file: RecipeFile;
  readonly diagnostics: Promise<Diagnostic[]>;
}

const begun = new Map<string, Ahead>();

/**
 * Begins the check of the recipe that `gpu run` is told to run, while its command line is still to be read: where there
 * are two processors, the first run of a recipe is faster by the time that this takes. Comes back when the checker runs, a
 * process of its own, or is not needed. What goes wrong here goes wrong again, and is said, when the recipe has its turn.
 */
export async function beginCheck(
  [argument, ...rest]: readonly string[],
  world: CheckWorld,
  signal: AbortSignal,
): Promise<Disposable | undefined> {
  if (argument === undefined || argument.startsWith("-")) return undefined;
  if (rest.includes("--no-check") || rest.includes("--watch")) return undefined;
  const file = await openRecipe(argument, world).catch(() => undefined);
  if (file === undefined) return undefined;
  const ending = new AbortController();
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const diagnostics = checkRecipe(file.path, world, {
    signal: AbortSignal.any([signal, ending.signal]),
    onStart: resolve,
  });
  const key = keyOf(argument, world);
  begun.set(key, { file, diagnostics });
  await Promise.race([started, diagnostics.catch(() => {})]);
  return {
    [Symbol.dispose]() {
      begun.delete(key);
      ending.abort();
    },
  };
}

/** What was begun for it, if anything was. */
export function takeAhead(argument: string, world: CheckWorld): Ahead | undefined {
  const key = keyOf(argument, world);
  const ahead = begun.get(key);
  begun.delete(key);
  return ahead;
}

function keyOf(argument: string, { cwd, folders }: CheckWorld): string {
  return JSON.stringify([argument, cwd, folders.cache]);
}
