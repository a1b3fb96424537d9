import { realpathSync } from "node:fs";
import { dirname, extname, isAbsolute, join, resolve } from "node:path";
import { GpuError } from "../errors.ts";
import { readTextIfThere } from "../files.ts";
import { withAdvice } from "./advice.ts";
import { type Checked, type CheckOptions, type CheckWorld, runChecker } from "./checker.ts";
import { codeFrame, shortPath } from "./frames.ts";
import { collectSources, type Sources } from "./imports.ts";
import { installAllTypes, installTypes, mendTypes, typesKey } from "./types.ts";
import { isRemembered, keyOf, remember } from "./verdict.ts";

// One chunk of the executable instead of three: each takes time to load, at every run.
export { compilerOptions } from "./checker.ts";
export { contentKey } from "./verdict.ts";

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
  if (isRemembered(await readTextIfThere(verdict), key)) return [];

  const { diagnostics, files } = await findFaults({ path, name, types, world, signal, onStart }, sources);
  // What was saved meanwhile may be neither what was checked nor what will run.
  if (keyOf(collectSources(path), path) !== key) return await checkRecipe(path, world, { signal, onStart });
  if (diagnostics.length === 0) remember(verdict, { key, others: othersOf(files, sources) });
  return diagnostics;
}

/** What the checker read beside what the imports of the sources say: behind `#lib`, or a link to a folder of one's own. */
function othersOf(files: readonly string[], sources: Sources): string[] {
  return files.filter((file) => !/[/\\]node_modules[/\\]/.test(file) && !isSource(sources, file));
}

function isSource({ files }: Sources, path: string): boolean {
  return files.some((file) => file.path === path);
}

/** What the few declarations of a quick check know. */
const usualModules: readonly string[] = ["gpu", "node:path"];

/**
 * What lets a declaration that is not there pass, or sees which are: errors that are not shown, globals of one's own, types
 * made from those of globals.
 */
const beyondUsual =
  /@ts-(?:ignore|expect-error|nocheck)|\bdeclare\s+(?:global|module)\b|\bParameters<|\bkeyof\s+typeof\b/;

/** Neither is checked itself: what is unknown in it is `any`. */
const uncheckedFile = /\.(?:[cm]?js|jsx)$|\.d\.[cm]?ts$/;

/** Whether few declarations may be enough. */
function isUsual({ packages, files }: Sources): boolean {
  return packages.every((name) => usualModules.includes(name)) &&
    files.every(({ path, source }) => !uncheckedFile.test(path) && !beyondUsual.test(source));
}

/** What is wrong, and the files that the checker read. */
interface Findings {
  readonly diagnostics: Diagnostic[];
  readonly files: readonly string[];
}

/** First with few globals, which is quick: what is right with them needs no more. */
async function findFaults(checked: Checked, sources: Sources): Promise<Findings> {
  const { path, types, world } = checked;
  if (isUsual(sources)) {
    const { exitCode, files } = await runChecker(checked, "usual.d.ts");
    if (exitCode === 0 && files.every((file) => isSource(sources, file))) return { diagnostics: [], files };
  }
  await installAllTypes(types, world);
  const { exitCode, output, files, signalCode } = await runChecker(checked, "all/node_modules/bun-types/index.d.ts");
  // Before the recipe is blamed: what it was checked against may be damaged.
  if (exitCode !== 0 && await mendTypes(types)) return await findFaults(checked, sources);
  const found = readDiagnostics(output, { from: types.folder, cwd: world.cwd });
  if (exitCode !== 0 && found.length === 0) {
    const reason = signalCode === null ? output : `the checker was ended by ${signalCode}`;
    throw new GpuError(`the types of \`${shortPath(path, world.cwd)}\` could not be checked:\n${reason}`, {
      hint: "`gpu run --no-check` runs it without",
    });
  }
  return { diagnostics: found.filter((diagnostic) => !isUntypedPackage(diagnostic)), files };
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
