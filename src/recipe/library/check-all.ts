import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { readTextIfThere } from "../../files.ts";
import type { World } from "../../world.ts";
import { checkRecipe, type Diagnostic } from "../check.ts";
import type { CheckWorld } from "../checker.ts";
import { shortPath } from "../frames.ts";
import { importedNames } from "../imports.ts";
import { openRecipe, ParseError } from "../open.ts";

/** What the check says of one recipe. */
export interface CheckedRecipe {
  readonly file: string;
  readonly success: boolean;
  readonly diagnostics: Diagnostic[];
}

/** Checks recipes one after the other; none named: all of the current folder, and their tests. */
export async function checkRecipes(
  files: readonly string[],
  world: CheckWorld,
  signal: AbortSignal,
): Promise<CheckedRecipe[]> {
  const checked: CheckedRecipe[] = [];
  for (const { path, name } of await (files.length > 0 ? named(files, world) : allHere(world))) {
    const diagnostics = await checkRecipe(path, world, { signal });
    checked.push({ file: name, success: diagnostics.length === 0, diagnostics });
  }
  return checked;
}

async function named(files: readonly string[], world: Pick<World, "cwd" | "folders">) {
  return await Promise.all(files.map(async (file) => {
    try {
      return await openRecipe(file, world);
    } catch (error) {
      // What does not parse is said by the checker, beside what it says of the others.
      if (!(error instanceof ParseError) || !/\.(?:ts|mts|tsx)$/.test(error.path)) throw error;
      return { path: error.path, name: shortPath(error.path, world.cwd) };
    }
  }));
}

async function allHere({ cwd }: Pick<World, "cwd">): Promise<{ path: string; name: string }[]> {
  const names = (await readdir(cwd)).filter((name) => /^[^.].*(?<!\.d)\.(?:ts|mts|tsx)$/.test(name)).sort();
  const found = await Promise.all(names.map(async (name) => {
    // What is no file is no recipe, whatever its name.
    const source = await readTextIfThere(join(cwd, name)).catch(() => undefined);
    return importedNames(source ?? "").some((from) => /^gpu(?:\/|$)/.test(from))
      ? [{ path: join(cwd, name), name }]
      : [];
  }));
  const recipes = found.flat();
  if (recipes.length > 0) return recipes;
  throw new UsageError("no recipe is in this folder", { hint: "`gpu recipe check <file>` names one" });
}
