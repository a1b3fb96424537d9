import { GpuError } from "../errors.ts";
import { isRecipe, type Recipe } from "./define.ts";
import type { RecipeFile } from "./open.ts";

export type Loaded =
  | { readonly kind: "recipe"; readonly recipe: Recipe }
  | { readonly kind: "function"; readonly call: (args: readonly string[]) => unknown }
  | { readonly kind: "nothing" };

/** Imports a file, which runs its top level, and says what its default export is. */
export async function importRecipe({ path, name }: RecipeFile): Promise<Loaded> {
  const module: unknown = await import(path);
  const exported: unknown = typeof module === "object" && module !== null && "default" in module
    ? module.default
    : undefined;
  if (isRecipe(exported)) return { kind: "recipe", recipe: exported };
  if (typeof exported === "function") return { kind: "function", call: async (args) => await exported(args) };
  if (exported === undefined) return { kind: "nothing" };
  throw new GpuError(`the default export of \`${name}\` is not a recipe`, {
    hint: "`export default recipe({ … })`, or a function",
  });
}
