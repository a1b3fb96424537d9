import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** A place in somebody's file. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The places of a stack that are in files of the recipe's author, the innermost first: none of `gpu` itself. */
export function readPlaces(stack: string): Place[] {
  return stack.split("\n").flatMap((text) => {
    const [, raw = "", line, column] = /^\s*at (?:.*\()?(.+?):(\d+):(\d+)\)?$/.exec(text) ?? [];
    const file = raw.startsWith("file://") ? fileURLToPath(raw) : raw.replace(/^async /, "");
    if (!isAbsolute(file) || isOurs(file) || !existsSync(file)) return [];
    return [{ file, line: Number(line), column: Number(column) }];
  });
}

/** In the executable our own files have names that exist nowhere; from source they are below this folder's parent. */
function isOurs(file: string): boolean {
  const source = dirname(import.meta.dir);
  return file.startsWith(`${source}/`) || file.startsWith("/$bunfs/") || file.includes("~BUN");
}

/** `recipes/r.ts:5:9`, from where the person stands. */
export function placeName({ file, line, column }: Place, cwd: string): string {
  return `${shippedName(file) ?? shortPath(file, cwd)}:${line}:${column}`;
}

/** `@train`, of a file that was unpacked from the executable into the cache. */
function shippedName(file: string): string | undefined {
  const [, name] = /[/\\]gpu[/\\]recipes[/\\][0-9a-f]{16}[/\\]([\w-]+)\.ts$/.exec(file) ?? [];
  return name === undefined ? undefined : `@${name}`;
}

/** A path as the person would type it: relative where that is not longer. */
export function shortPath(file: string, cwd: string): string {
  const short = relative(cwd, file);
  return short.startsWith(join("..", "..")) ? file : short;
}

/** Longer lines are cut to what is around the mark, in characters. */
const longestLine = 96;

/** The line before and the line itself, numbered, with a mark below the column. Empty when the file is not to be read. */
export function codeFrame({ file, line, column }: Place): string {
  const lines = readLines(file);
  if (line > lines.length) return "";
  const width = String(line).length;
  const [before = "", marked = ""] = [lines[line - 2], lines[line - 1]];
  const cut = Math.max(0, Math.min(column - 1 - longestLine / 2, marked.length - longestLine));
  const from = Math.floor(cut);
  const shown = [
    ...(line > 1 ? [`  ${String(line - 1).padStart(width)} | ${partOf(before, 0)}`] : []),
    `  ${line} | ${partOf(marked, from)}`,
  ];
  // Tabs stay tabs, so that the mark stands below its column whatever their width is.
  const indent = marked.slice(from, column - 1).replace(/[^\t]/g, " ");
  return [...shown, `  ${" ".repeat(width)} | ${indent}^`].join("\n");
}

/** As much of a line as is shown, with `…` for what is left out. */
function partOf(line: string, from: number): string {
  const part = [...line.slice(from, from + longestLine)];
  if (from > 0) part.splice(0, 1, "…");
  if (from + longestLine < line.length) part.splice(-1, 1, "…");
  return part.join("");
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").map((line) => line.replace(/\r$/, ""));
  } catch {
    return [];
  }
}
