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
  return `${shortPath(file, cwd)}:${line}:${column}`;
}

/** A path as the person would type it: relative where that is not longer. */
export function shortPath(file: string, cwd: string): string {
  const short = relative(cwd, file);
  return short.startsWith(join("..", "..")) ? file : short;
}

/** The line before and the line itself, numbered, with a mark below the column. Empty when the file is not to be read. */
export function codeFrame({ file, line, column }: Place): string {
  const lines = readLines(file);
  if (line > lines.length) return "";
  const width = String(line).length;
  const shown = [line - 1, line].filter((number) => number >= 1)
    .map((number) => `  ${String(number).padStart(width)} | ${lines[number - 1] ?? ""}`);
  // Tabs stay tabs, so that the mark stands below its column whatever their width is.
  const indent = (lines[line - 1] ?? "").slice(0, column - 1).replace(/[^\t]/g, " ");
  return [...shown, `  ${" ".repeat(width)} | ${indent}^`].join("\n");
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").map((line) => line.replace(/\r$/, ""));
  } catch {
    return [];
  }
}
