import { realpath } from "node:fs/promises";
import { isAbsolute, join, resolve, sep } from "node:path";
import { childEnvironment } from "../env.ts";
import { readTextIfThere, writeCache } from "../files.ts";
import type { World } from "../world.ts";
import type { InstalledTypes } from "./types.ts";

/** What a check needs to know. */
export type CheckWorld = Pick<World, "cwd" | "env" | "folders" | "random" | "self">;

export interface CheckOptions {
  readonly signal: AbortSignal;
  /** Called when the checker runs, which is not always needed. */
  readonly onStart?: (() => void) | undefined;
}

/** A recipe to check, and with what. */
export interface Checked extends CheckOptions {
  readonly path: string;
  /** Of its files in the cache. */
  readonly name: string;
  readonly types: InstalledTypes;
  readonly world: CheckWorld;
}

/** What the checker answered. */
export interface Answer {
  readonly exitCode: number;
  /** Where something else ended it. */
  readonly signalCode: NodeJS.Signals | number | null;
  readonly output: string;
  /** The files that it read, but for those that `gpu` itself brings. */
  readonly files: readonly string[];
}

/** Runs it once, with one file of declarations of globals. */
export async function runChecker(checked: Checked, globals: string): Promise<Answer> {
  const { types, world, signal, onStart } = checked;
  const project = await writeProject(checked, globals);
  // Without --no-script it runs `scripts.check` of a package.json; the folder it starts in is ours for the same reason.
  const command = [world.self[0] ?? "", "check", "--no-script", "--no-pretty", "--all", "-p", project];
  const child = Bun.spawn(command, {
    cwd: types.folder,
    env: childEnvironment(world.env, { BUN_BE_BUN: "1", NO_COLOR: "1", FORCE_COLOR: undefined }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    windowsHide: true,
    signal,
    killSignal: "SIGKILL",
  });
  onStart?.();
  const [exitCode, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  signal.throwIfAborted();
  const lines = Map.groupBy(stdout.split("\n"), (line) => isListed(line) ? "files" : "output");
  const files = (lines.get("files") ?? []).filter((file) => !file.startsWith("bundled:")).map((file) => resolve(file));
  const brought = [types.folder, await realpath(types.folder).catch(() => types.folder)].map((folder) => folder + sep);
  return {
    exitCode,
    signalCode: child.signalCode,
    output: `${(lines.get("output") ?? []).join("\n")}\n${stderr}`.trim(),
    files: files.filter((file) => !brought.some((folder) => file.startsWith(folder))),
  };
}

/** Whether a line names a file that was read, and nothing else. */
function isListed(line: string): boolean {
  return line.startsWith("bundled:") || isAbsolute(line) && !/\(\d+,\d+\): error TS/.test(line);
}

/** Says what is checked, and with which declarations of globals. */
async function writeProject({ path, name, types }: Checked, globals: string): Promise<string> {
  const project = join(types.folder, "projects", `${name}-${globals.startsWith("all/") ? "all" : "usual"}.json`);
  const text = JSON.stringify({
    compilerOptions: { ...compilerOptions, listFiles: true, paths: { gpu: [join(types.folder, "gpu.d.ts")] } },
    files: [join(types.folder, globals), path],
  });
  if (await readTextIfThere(project) !== text) writeCache(project, text);
  return project;
}

/** What recipes are checked with; `gpu recipe init` gives the same to editors. */
export const compilerOptions = {
  strict: true,
  noEmit: true,
  target: "esnext",
  lib: ["esnext"],
  module: "preserve",
  moduleResolution: "bundler",
  moduleDetection: "force",
  allowImportingTsExtensions: true,
  allowJs: true,
  resolveJsonModule: true,
  skipLibCheck: true,
  types: [],
} as const;
