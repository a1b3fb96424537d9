import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { GpuError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { quoteWord } from "../../quote.ts";
import type { World } from "../../world.ts";

/** A folder with a `bun` in it that is this executable, for projects on machines that have none. */
export async function makeBunFolder(world: World, dataFolder: string): Promise<string | undefined> {
  const { platform, env } = world;
  const isThere = Bun.which("bun", { PATH: env.PATH ?? "" }) !== null;
  if (isThere || platform === "win32") return undefined;
  const folder = join(dataFolder, "bin");
  if (folder.includes(delimiter)) return undefined;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, "bun"), bunScript(world), { mode: 0o700 });
  } catch (error) {
    throw new GpuError(`cannot write to \`${folder}\`: ${reasonOf(error)}`, {
      hint: "`--data` names another folder",
      cause: error,
    });
  }
  return folder;
}

/** A program for a POSIX shell that is `bun`: this executable, which contains it, or the one that runs us. */
export function bunScript({ self: [executable = "", ...script] }: Pick<World, "self">): string {
  const mode = script.length === 0 ? "BUN_BE_BUN=1 " : "";
  return `#!/bin/sh\n${mode}exec ${quoteWord(executable)} "$@"\n`;
}
