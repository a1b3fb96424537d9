import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { readTextIfThere, writeWhole } from "../../files.ts";
import { suggest } from "../../surface/suggest.ts";
import type { World } from "../../world.ts";
import { shippedRecipes } from "./shipped-list.ts";

/** A recipe that is in the executable. */
export interface ShippedRecipe {
  /** Without its `@`. */
  readonly name: string;
  readonly summary: string;
  source(): Promise<string>;
}

/** The recipe that `@name` means. */
export function getShipped(argument: string): ShippedRecipe {
  const name = argument.replace(/^@/, "").replace(/\.ts$/, "");
  const found = shippedRecipes.find((recipe) => recipe.name === name);
  if (found) return found;
  const near = suggest(name, shippedRecipes.map((recipe) => recipe.name)).map((word) => `\`@${word}\``);
  throw new UsageError(`no recipe \`${argument}\` comes with gpu`, {
    hint: near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : `these do: ${shippedRecipes.map((recipe) => `\`@${recipe.name}\``).join(", ")}`,
  });
}

/** A file of the recipe in the cache, for the checker and for Bun. Whatever is there is made to be what was shipped. */
export async function unpackShipped(
  { name, source }: ShippedRecipe,
  { folders }: Pick<World, "folders">,
): Promise<{ path: string; source: string }> {
  const text = await source();
  const key = new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 16);
  const path = join(folders.cache, "recipes", key, `${name}.ts`);
  if (await readTextIfThere(path) !== text) await writeWhole(path, text);
  return { path, source: text };
}
