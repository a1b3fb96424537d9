import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { World } from "../world.ts";

/** A folder with a `bun` in it that is this executable, for projects on machines that have none. */
export async function makeBunFolder(
  { self: [executable = "", ...script], platform, env }: World,
  dataFolder: string,
): Promise<string | undefined> {
  const isThere = Bun.which("bun", { PATH: env.PATH ?? "" }) !== null;
  if (isThere || platform === "win32") return undefined;
  const folder = join(dataFolder, "bin");
  if (folder.includes(delimiter)) return undefined;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const quoted = `'${executable.replaceAll("'", `'\\''`)}'`;
  const mode = script.length === 0 ? "BUN_BE_BUN=1 " : "";
  await writeFile(join(folder, "bun"), `#!/bin/sh\n${mode}exec ${quoted} "$@"\n`, { mode: 0o700 });
  return folder;
}
