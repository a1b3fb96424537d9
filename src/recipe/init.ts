import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { GpuError, UsageError } from "../errors.ts";
import { readTextIfThere, writeWhole } from "../files.ts";
import type { World } from "../world.ts";
import { compilerOptions } from "./check.ts";
import { readTypes, writeFiles } from "./types.ts";

/** What `gpu recipe init` did to a folder. */
export interface InitializedFolder {
  readonly folder: string;
  readonly version: string;
  readonly written: string[];
  readonly tsconfig: "written" | "kept" | "extends";
  /** `null`: nobody asked for it. */
  readonly deno: "written" | "kept" | "leads" | null;
}

/** The hidden folder: made again at any time, so it is ignored by git. */
const hidden = ".gpu";
const ownConfig = `${JSON.stringify({ extends: `./${hidden}/tsconfig.json` }, null, 2)}\n`;

/** Writes the types of recipes for editors. What a person wrote stays. */
export async function initFolder(
  dir: string,
  world: Pick<World, "cwd">,
  { forDeno = false }: { forDeno?: boolean } = {},
): Promise<InitializedFolder> {
  const folder = resolve(world.cwd, dir);
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new UsageError(found ? `\`${dir}\` is not a folder` : `there is no folder \`${dir}\``, {
      hint: `\`mkdir ${dir}\` makes it`,
    });
  }
  const { version, gpu, others } = await readTypes();
  await refuseForeign(join(folder, "gpu.d.ts"));
  await writeWhole(join(folder, "gpu.d.ts"), gpu, 0o644);
  await writeFiles(join(folder, hidden), { ...others, "tsconfig.json": settings(), ".gitignore": "*\n" });
  const tsconfig = await writeConfig(join(folder, "tsconfig.json"));
  const deno = forDeno ? await writeDenoConfig(folder) : null;
  return {
    folder,
    version,
    written: [
      "gpu.d.ts",
      `${hidden}/`,
      ...(tsconfig === "written" ? ["tsconfig.json"] : []),
      ...(deno === "written" ? ["deno.json"] : []),
    ],
    tsconfig,
    deno,
  };
}

/** A file of that name that `gpu` did not make is somebody's work. */
async function refuseForeign(path: string): Promise<void> {
  const there = await readTextIfThere(path);
  if (there === undefined || there.startsWith("// gpu ")) return;
  throw new GpuError(`\`${path}\` is there and was not made by \`gpu recipe init\``, { hint: "move it away" });
}

/** The same options as the check has; `files` names Bun's types, since a `types` of a person's own would replace ours. */
function settings(): string {
  const config = {
    compilerOptions: { ...compilerOptions, paths: { gpu: ["../gpu.d.ts"] } },
    files: ["./node_modules/bun-types/index.d.ts"],
    include: ["${configDir}/**/*.ts"],
    exclude: ["${configDir}/node_modules"],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

async function writeConfig(path: string): Promise<InitializedFolder["tsconfig"]> {
  const there = await readTextIfThere(path);
  if (there?.includes(`${hidden}/tsconfig.json`)) return "extends";
  if (there !== undefined) return "kept";
  await writeWhole(path, ownConfig, 0o644);
  return "written";
}

/** Deno's server reads no `paths`. Bun's types are not for it: it has its own of the same names. */
async function writeDenoConfig(folder: string): Promise<"written" | "kept" | "leads"> {
  for (const name of ["deno.json", "deno.jsonc"]) {
    const there = await readTextIfThere(join(folder, name));
    if (there !== undefined) return there.includes(`"./gpu.d.ts"`) ? "leads" : "kept";
  }
  await writeWhole(
    join(folder, "deno.json"),
    `${JSON.stringify({ imports: { gpu: "./gpu.d.ts" } }, null, 2)}\n`,
    0o644,
  );
  return "written";
}
