import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { GpuError, systemCode, UsageError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { didYouMean } from "../../surface/suggest.ts";
import type { World } from "../../world.ts";
import { shortPath } from "../frames.ts";
import { getShipped, unpackShipped } from "./shipped.ts";
import { shippedRecipes } from "./shipped-list.ts";

/** A recipe that was named, read, and nothing of it run. */
export interface FoundRecipe {
  /** Absolute. */
  readonly path: string;
  /** As a person would type it: `@train`, `nightly`, `recipes/r.ts`. */
  readonly name: string;
  readonly source: string;
  readonly from: "file" | "personal" | "shipped";
}

type FindWorld = Pick<World, "cwd" | "folders">;

/**
 * Finds a recipe: `@name` is one that comes with `gpu`; a file is a file; a bare name is one of
 * `~/.config/gpu/recipes`. Nothing in the current folder is taken that was not named with its ending.
 */
export async function findRecipe(argument: string, world: FindWorld): Promise<FoundRecipe> {
  refuseAddress(argument);
  if (argument.startsWith("@") && !/[/\\]/.test(argument)) {
    const shipped = getShipped(argument);
    return { ...await unpackShipped(shipped, world), name: `@${shipped.name}`, from: "shipped" };
  }
  const asked = resolve(world.cwd, argument);
  const source = await readFileIfThere(asked, argument);
  if (source !== undefined) return { path: asked, name: shortPath(asked, world.cwd), source, from: "file" };
  if (isBareName(argument)) {
    const path = join(personalFolder(world), `${argument}.ts`);
    const own = await readFileIfThere(path, path);
    if (own !== undefined) return { path, name: argument, source: own, from: "personal" };
  }
  const isFolder = await stat(asked).then((found) => found.isDirectory(), () => false);
  const what = isFolder ? `\`${argument}\` is a folder` : `there is no file \`${argument}\``;
  throw new UsageError(what, { hint: await hintFor(argument, world) });
}

/** Where recipes are that can be named without their folder. */
export function personalFolder({ folders }: Pick<World, "folders">): string {
  return join(folders.config, "recipes");
}

/** The names of the recipes there. */
export async function personalNames(world: Pick<World, "folders">): Promise<string[]> {
  const files = await readdir(personalFolder(world)).catch(() => []);
  return files.filter(isRecipeFile).filter((file) => file.endsWith(".ts")).map((file) => file.slice(0, -".ts".length))
    .filter(isBareName).sort();
}

/** Whether a file of that name may be a recipe: no declarations, no test, not hidden. */
export function isRecipeFile(name: string): boolean {
  return /\.(?:ts|mts|tsx|js|mjs|jsx)$/.test(name) && !/\.(?:d|test|spec)\.[a-z]+$/.test(name) && !name.startsWith(".");
}

function isBareName(word: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(word);
}

function refuseAddress(argument: string): void {
  if (!/^(?:[a-z][a-z0-9+.-]*:\/\/|(?:data|npm|jsr|git|github|gist|blob):)/i.test(argument)) return;
  throw new UsageError(`\`${argument}\` is a URL, and a recipe is a file on this computer`, {
    hint: "download it, read it, then run the file",
  });
}

async function hintFor(argument: string, world: FindWorld): Promise<string> {
  const bare = argument.replace(/\.ts$/, "");
  if (extname(argument) === "" && await isFile(resolve(world.cwd, `${argument}.ts`))) {
    return `\`${argument}.ts\` is a file here`;
  }
  if (shippedRecipes.some(({ name }) => name === bare)) return `\`@${bare}\` is a recipe that comes with gpu`;
  if (argument !== bare && (await personalNames(world)).includes(bare)) {
    return `\`${bare}\` is a recipe in ${personalFolder(world)}`;
  }
  const here = (await readdir(world.cwd).catch(() => [])).filter(isRecipeFile);
  const names = [...here, ...await personalNames(world), ...shippedRecipes.map(({ name }) => `@${name}`)];
  const near = didYouMean(argument, names, (name) => name) ?? didYouMean(`${argument}.ts`, here, (name) => name);
  return near ?? "name a file, with the folder it is in; `gpu recipe list` shows what there is";
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then((found) => found.isFile(), () => false);
}

/** Undefined: there is nothing. Anything else that is no file is a mistake. */
async function readFileIfThere(path: string, argument: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    // A name without an ending is no recipe, whatever else of that name is here.
    if (!found.isFile() && isBareName(argument)) return undefined;
    if (found.isDirectory()) {
      throw new UsageError(`\`${argument}\` is a folder`, { hint: "`gpu run <file>` takes one file" });
    }
    if (!found.isFile()) throw new UsageError(`\`${argument}\` is not a file`, { hint: "a recipe is a `.ts` file" });
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw new GpuError(`cannot read \`${argument}\`: ${reasonOf(error)}`, { cause: error });
  }
}
