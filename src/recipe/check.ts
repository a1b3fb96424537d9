import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, extname, isAbsolute, join, resolve } from "node:path";
import { childEnvironment } from "../env.ts";
import { GpuError } from "../errors.ts";
import { readTextIfThere, writeCache } from "../files.ts";
import type { World } from "../world.ts";
import { withAdvice } from "./advice.ts";
import { codeFrame, shortPath } from "./frames.ts";
import { collectSources, type Sources } from "./imports.ts";
import { installAllTypes, type InstalledTypes, installTypes, mendTypes, typesKey } from "./types.ts";

/** One thing that is wrong with the types of a recipe. */
export interface Diagnostic {
  /** From where the person stands. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `TS2322`. */
  readonly code: string;
  readonly message: string;
  /** The lines of source it is about. */
  readonly frame: string;
}

/** What a check needs to know. */
export type CheckWorld = Pick<World, "cwd" | "env" | "folders" | "random" | "self">;

export interface CheckOptions {
  readonly signal: AbortSignal;
  /** Called when the checker runs, which is not always needed. */
  readonly onStart?: (() => void) | undefined;
}

/**
 * Checks the types of a recipe and of all it imports. The checker is this executable, started as Bun; it is told every
 * file it reads, so that no tsconfig.json, package.json or node_modules/@types of somebody's folder has a say.
 * That nothing was wrong is remembered, by the content of all these files.
 */
export async function checkRecipe(
  path: string,
  world: CheckWorld,
  { signal, onStart }: CheckOptions,
): Promise<Diagnostic[]> {
  if (![".ts", ".mts", ".tsx"].includes(extname(path))) return [];
  const types = await installTypes(world);
  const name = new Bun.CryptoHasher("sha256").update(path).digest("hex").slice(0, 16);
  const verdict = join(types.folder, "verdicts", name);
  const sources = collectSources(path);
  const key = keyOf(sources, path);
  if (await readTextIfThere(verdict) === key) return [];

  const diagnostics = await findFaults({ path, name, types, world, signal, onStart }, sources.packages);
  if (diagnostics.length === 0) remember(verdict, key);
  return diagnostics;
}

function remember(verdict: string, key: string): void {
  try {
    writeCache(verdict, key);
  } catch {
    // The recipe is right all the same: it is checked again the next time.
  }
}

interface Checked extends CheckOptions {
  readonly path: string;
  readonly name: string;
  readonly types: InstalledTypes;
  readonly world: CheckWorld;
}

/** What the few declarations of a quick check know. */
const usualModules: readonly string[] = ["gpu", "node:path"];

/** First with few globals, which is quick: what is right with them needs no more. */
async function findFaults(checked: Checked, packages: readonly string[]): Promise<Diagnostic[]> {
  const { path, types, world } = checked;
  if (packages.every((name) => usualModules.includes(name))) {
    const { exitCode } = await runChecker(checked, "usual.d.ts");
    if (exitCode === 0) return [];
  }
  await installAllTypes(types, world);
  const { exitCode, stdout, stderr } = await runChecker(checked, "all/node_modules/bun-types/index.d.ts");
  // Before the recipe is blamed: what it was checked against may be damaged.
  if (exitCode !== 0 && await mendTypes(types)) return await findFaults(checked, packages);
  const found = readDiagnostics(stdout, { from: types.folder, cwd: world.cwd });
  if (exitCode !== 0 && found.length === 0) {
    throw new GpuError(
      `the types of \`${shortPath(path, world.cwd)}\` could not be checked:\n${`${stdout}${stderr}`.trim()}`,
      {
        hint: "`gpu run --no-check` runs it without",
      },
    );
  }
  return found.filter((diagnostic) => !isUntypedPackage(diagnostic));
}

/** An npm package that nobody has written types for is used all the same, as `any`. */
function isUntypedPackage({ code, message }: Diagnostic): boolean {
  return code === "TS7016" && /[/\\]node_modules[/\\]/.test(message);
}

/** Diagnostics as text: each with its place and its lines of source. */
export function describeDiagnostics(diagnostics: readonly Diagnostic[]): string {
  return diagnostics.map(({ file, line, column, code, message, frame }) =>
    `${file}:${line}:${column}: ${message} (${code})\n${frame}`
  )
    .join("\n\n");
}

/** A hash of a recipe and of everything that its types come from, except those that `gpu` itself brings. */
export function contentKey(path: string): string {
  return keyOf(collectSources(path), path);
}

function keyOf({ files, packages }: Sources, path: string): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const file of files) hash.update(`${file.path}\0${file.source}\0`);
  for (const name of packages) {
    if (!/^(?:gpu$|zod$|bun$|bun:|node:)/.test(name)) hash.update(`${name}\0${packageStamp(name, dirname(path))}\0`);
  }
  return hash.digest("hex");
}

/** The package.json of an installed package, found the way imports are: upwards from the recipe. */
function packageStamp(name: string, from: string): string {
  const words = name.split("/").slice(0, name.startsWith("@") ? 2 : 1);
  for (let folder = from;; folder = dirname(folder)) {
    const file = join(folder, "node_modules", ...words, "package.json");
    if (statSync(file, { throwIfNoEntry: false })?.isFile()) return readFileSync(file, "utf8");
    if (folder === dirname(folder)) return "not installed";
  }
}

/** Says what is checked, and with which declarations of globals. */
async function writeProject({ path, name, types }: Checked, globals: string): Promise<string> {
  const project = join(types.folder, "projects", `${name}-${globals.startsWith("all/") ? "all" : "usual"}.json`);
  const text = JSON.stringify({
    compilerOptions: { ...compilerOptions, paths: { gpu: [join(types.folder, "gpu.d.ts")] } },
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

async function runChecker(
  checked: Checked,
  globals: string,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
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
  return { exitCode, stdout, stderr };
}

/** Reads `r.ts(2,29): error TS2322: …` and the indented lines behind it; everything else is Bun's advice. */
function readDiagnostics(output: string, { from, cwd }: { from: string; cwd: string }): Diagnostic[] {
  const found: { file: string; line: number; column: number; code: string; message: string }[] = [];
  for (const text of output.split("\n")) {
    const [, file, line, column, code, message] = /^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*)$/.exec(text) ?? [];
    const last = found.at(-1);
    if (file !== undefined && code !== undefined && message !== undefined) {
      found.push({ file: realFile(file, from), line: Number(line), column: Number(column), code, message });
    } else if (last && /^\s+\S/.test(text)) last.message += `\n${text}`;
  }
  return found.map((diagnostic) => {
    const file = shortPath(diagnostic.file, cwd);
    return { ...diagnostic, message: withAdvice({ ...diagnostic, file }), file, frame: codeFrame(diagnostic) };
  });
}

function realFile(file: string, from: string): string {
  // The checker names files from its own folder with links followed; `..` through a link would lead elsewhere.
  return isAbsolute(file) ? file : resolve(realpathSync(from), file);
}

/** Whether a `gpu.d.ts` that `gpu recipe init` once put beside the recipe is of another version than this. */
export async function isOutdated(path: string): Promise<boolean> {
  const [first = ""] = (await readTextIfThere(join(dirname(path), "gpu.d.ts")) ?? "").split("\n", 1);
  const key = /^\/\/ gpu \S+ ([0-9a-f]{16}):/.exec(first)?.[1];
  return key !== undefined && key !== await typesKey();
}
