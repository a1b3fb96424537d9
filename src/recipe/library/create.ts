import { lstat, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { GpuError, systemCode, UsageError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import type { World } from "../../world.ts";
import { initFolder } from "../init.ts";
import { getTemplate, testOf } from "./templates.ts";

/** A recipe that was made, and what is beside it. */
export interface CreatedRecipe {
  readonly folder: string;
  readonly template: string;
  /** From that folder. */
  readonly written: string[];
  readonly tsconfig: "written" | "kept" | "extends";
}

/** Writes a recipe, its test and the types for editors. What is there stays as it is. */
export async function createRecipe(
  { name, dir, template: templateName }: { name: string; dir: string; template: string },
  world: Pick<World, "cwd">,
): Promise<CreatedRecipe> {
  const bare = recipeName(name);
  const template = getTemplate(templateName);
  const folder = resolve(world.cwd, dir);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new UsageError(`there is no folder \`${dir}\``, { hint: `\`mkdir ${dir}\` makes it` });
  }
  const source = await template.source();
  const files = { [`${bare}.ts`]: source, [`${bare}.test.ts`]: testOf(bare, source, template.name) };
  for (const file of Object.keys(files)) {
    if (await lstat(join(folder, file)).then(() => true, () => false)) throw inTheWay(join(dir, file));
  }
  const { written, tsconfig } = await initFolder(dir, world);
  for (const [file, text] of Object.entries(files)) {
    await writeFile(join(folder, file), text, { flag: "wx" }).catch((error) => {
      if (systemCode(error) === "EEXIST") throw inTheWay(join(dir, file));
      throw new GpuError(`cannot write \`${join(folder, file)}\`: ${reasonOf(error)}`, { cause: error });
    });
  }
  return { folder, template: template.name, written: [...Object.keys(files), ...written], tsconfig };
}

/** What is wrong with the name of a new recipe; undefined where nothing is. */
export function complainOfName(name: string): string | undefined {
  const bare = name.replace(/\.ts$/, "");
  if (/^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(bare)) return undefined;
  return "a name has letters, digits, `-` and `_`";
}

function recipeName(name: string): string {
  const complaint = complainOfName(name);
  if (complaint === undefined) return name.replace(/\.ts$/, "");
  throw new UsageError(`\`${name}\` cannot be the name of a recipe: ${complaint}`, {
    hint: name.includes("/") ? "`--dir` says in which folder" : "`gpu recipe new nightly` writes nightly.ts",
  });
}

function inTheWay(file: string): UsageError {
  return new UsageError(`\`${file}\` is there already, and stays as it is`, { hint: "take another name, or `--dir`" });
}
