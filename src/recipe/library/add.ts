import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { childEnvironment } from "../../env.ts";
import { GpuError, UsageError } from "../../errors.ts";
import { readTextIfThere, writeWhole } from "../../files.ts";
import { oneLine } from "../../safe-text.ts";
import type { World } from "../../world.ts";

/** A package that recipes of a folder can import from now on. */
export interface AddedPackage {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  /** Files that were made in the folder because they were missing. */
  readonly made: string[];
  /** Packages that are installed there now, with those that packages need. */
  readonly installed: number;
}

interface Addition {
  readonly dir: string;
  /** As npm writes it: `name`, `@scope/name`, `name@1.2.3`. */
  readonly wanted: string;
  readonly world: Pick<World, "cwd" | "env" | "folders" | "self" | "spawn">;
  readonly signal: AbortSignal;
}

/** A package.json, as far as it matters here. */
const Manifest = z.looseObject({ dependencies: z.record(z.string(), z.string()).optional() });

/** Installs a package of the npm registry for the recipes of a folder, at one version, and runs nothing that it brings. */
export async function addPackage({ dir, wanted, world, signal }: Addition): Promise<AddedPackage> {
  const name = packageName(wanted);
  const folder = resolve(world.cwd, dir);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new UsageError(`there is no folder \`${dir}\``, { hint: `\`gpu recipe new\` makes the first recipe` });
  }
  const made: string[] = [];
  // Without one it would be that of a folder above.
  if (await readTextIfThere(join(folder, "package.json")) === undefined) {
    await writeWhole(join(folder, "package.json"), `{\n  "private": true,\n  "type": "module"\n}\n`, 0o644);
    made.push("package.json");
  }
  const config = join(world.folders.cache, "empty.toml");
  await writeWhole(config, "");
  const install = (wanted: string) =>
    run([
      ...[world.self[0] ?? "", "add", "--exact", "--ignore-scripts", "--save-text-lockfile", "--no-env-file"],
      ...[
        "--no-progress",
        "--no-summary",
        `--config=${config}`,
        `--cache-dir=${join(world.folders.cache, "packages")}`,
      ],
      wanted,
    ], { folder, wanted, world, signal });
  await install(wanted);
  if (!name.startsWith("@types/") && !await bringsTypes(join(folder, "node_modules", name))) {
    // Often somebody else wrote them; where nobody did, the package is `any`.
    await install(typesPackage(name)).catch((error: unknown) => {
      signal.throwIfAborted();
      if (!(error instanceof GpuError)) throw error;
    });
  }
  const { dependencies = {} } = Manifest.parse(JSON.parse(await readFile(join(folder, "package.json"), "utf8")));
  const version = dependencies[name];
  if (version === undefined) {
    throw new GpuError(`\`${name}\` was installed and is not in \`${join(folder, "package.json")}\``);
  }
  return { folder, name, version, made, installed: countLocked(await readTextIfThere(join(folder, "bun.lock")) ?? "") };
}

/** Only what the registry has by name: an address, a file or a repository would run what nobody looked at. */
function packageName(wanted: string): string {
  const [, name] = /^((?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*)(?:@[\w.^~<>=*+-]+)?$/i.exec(wanted) ?? [];
  if (name === "gpu") {
    throw new UsageError("`gpu` is what recipes import already, and no package stands in for it");
  }
  if (name !== undefined && !name.startsWith("-")) return name;
  throw new UsageError(`\`${wanted}\` is not the name of an npm package`, {
    hint: "`name`, `@scope/name`, or `name@version`; addresses, files and repositories are refused",
  });
}

/** Whether declarations lie anywhere in an installed package. */
async function bringsTypes(folder: string): Promise<boolean> {
  const files = await readdir(folder, { recursive: true }).catch(() => []);
  return files.some((file) => /\.d\.[cm]?ts$/.test(file) && !/(?:^|[/\\])node_modules[/\\]/.test(file));
}

/** Where types are that others wrote for a package: `@types/name`, `@types/scope__name`. */
function typesPackage(name: string): string {
  return `@types/${name.replace(/^@/, "").replace("/", "__")}`;
}

/** Each package is a line of its own in bun.lock. */
function countLocked(lock: string): number {
  return lock.match(/^ {4}"[^"]+": \[/gm)?.length ?? 0;
}

interface Running extends Pick<Addition, "wanted" | "world" | "signal"> {
  readonly folder: string;
}

async function run(command: readonly string[], { folder, wanted, world, signal }: Running): Promise<void> {
  const child = world.spawn(command, {
    cwd: folder,
    env: childEnvironment(world.env, { BUN_BE_BUN: "1", NO_COLOR: "1", FORCE_COLOR: undefined }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Uint8Array) => said.push(`${chunk}`));
  const onAbort = () => child.kill("SIGTERM");
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? 1));
    });
    signal.throwIfAborted();
    if (exitCode === 0) return;
    const errors = said.join("").split("\n").filter((line) => line.startsWith("error:"));
    const why = [...new Set(errors)].map((line) => oneLine(line.replace("error:", ""), 300)).join("; ");
    throw new GpuError(`\`${wanted}\` could not be installed${why === "" ? "" : `: ${why}`}`, {
      hint: "`npm_config_registry` in the environment, or an .npmrc, names another registry",
    });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
