import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { UsageError } from "../../errors.ts";
import type { Param } from "../../surface/param.ts";
import { readParams } from "../../surface/params.ts";
import type { World } from "../../world.ts";
import { findRecipe, isRecipeFile, personalFolder, personalNames } from "./find.ts";
import { outlineOf, type RecipeOutline } from "./outline.ts";
import { shippedRecipes } from "./shipped-list.ts";

/** A recipe in a list, as its source says it is: nothing of it was run. */
export interface ListedRecipe {
  /** What `gpu run` takes. */
  readonly name: string;
  readonly from: "file" | "personal" | "shipped";
  readonly kind: RecipeOutline["kind"];
  readonly summary: string | null;
  /** US dollars. */
  readonly budget: number | null;
  readonly parameters: readonly ListedParameter[];
  readonly isWhole: boolean;
}

/** One of its flags. */
export interface ListedParameter {
  readonly name: string;
  readonly usage: string;
  readonly type: Param["type"];
  readonly isRequired: boolean;
  readonly default: unknown;
  readonly description: string;
}

/** More than that is no recipe. */
const maxBytes = 512 * 1024;

/** The recipes of a folder, those of `~/.config/gpu/recipes`, and those that come with `gpu`. */
export async function listRecipes(dir: string, world: Pick<World, "cwd" | "folders">): Promise<ListedRecipe[]> {
  const folder = resolve(world.cwd, dir);
  const files = await readdir(folder).catch(() => {
    throw new UsageError(`there is no folder \`${dir}\``, { hint: "`gpu recipe list` takes a folder with recipes" });
  });
  const here = files.filter(isRecipeFile).sort().map(async (file) =>
    listed(dir === "." ? file : join(dir, file), "file", await outlineOfFile(join(folder, file)))
  );
  const own = (await personalNames(world)).map(async (name) =>
    listed(name, "personal", await outlineOfFile(join(personalFolder(world), `${name}.ts`)))
  );
  const shipped = shippedRecipes.map(async ({ name, source }) =>
    listed(`@${name}`, "shipped", outlineOf(await source()))
  );
  return (await Promise.all([...here, ...own, ...shipped])).flatMap((recipe) => recipe ?? []);
}

/** What a recipe takes, for Tab: nothing of it is run, and where it cannot be read there is nothing. */
export async function listedParams(argument: string, world: Pick<World, "cwd" | "folders">): Promise<readonly Param[]> {
  const found = await findRecipe(argument, world).catch(() => undefined);
  if (found === undefined || found.source.length > maxBytes) return [];
  const outline = outlineOf(found.source, /x$/.test(extname(found.path)) ? "tsx" : "ts");
  return outline === undefined ? [] : readParams(outline.input);
}

async function outlineOfFile(path: string): Promise<RecipeOutline | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size > maxBytes) return undefined;
  const source = await readFile(path, "utf8").catch(() => "");
  return outlineOf(source, /x$/.test(extname(path)) ? "tsx" : "ts");
}

function listed(
  name: string,
  from: ListedRecipe["from"],
  outline: RecipeOutline | undefined,
): ListedRecipe | undefined {
  if (outline === undefined) return undefined;
  const { kind, summary = null, budget = null, isWhole } = outline;
  return { name, from, kind, summary, budget, parameters: parametersOf(outline), isWhole };
}

/** The flags that an outline knows. */
export function parametersOf({ input }: RecipeOutline): ListedParameter[] {
  return readParams(input).filter(({ isHidden }) => !isHidden).map((param) => ({
    name: param.key,
    usage: usageOf(param),
    type: param.type,
    isRequired: param.isRequired,
    default: param.default ?? null,
    description: param.description,
  }));
}

function usageOf({ place, flag, placeholder, type, isRequired, default: preset }: Param): string {
  const name = `<${placeholder}>${type === "strings" || type === "numbers" ? "..." : ""}`;
  const usage = place === "rest"
    ? `-- ${name}`
    : place !== "flag"
    ? name
    : type === "boolean"
    ? `--${preset === true ? "no-" : ""}${flag}`
    : `--${flag} ${name}`;
  return isRequired ? usage : `[${usage}]`;
}
