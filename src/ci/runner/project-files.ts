import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A plain file that a job wrote. */
export interface ProjectFile {
  /** Relative to the project, with `/` between its parts. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** Names that are looked at, at most: what a job wrote is no measure. */
const maxNames = 200_000;

/**
 * The files of a project that match one of these patterns, sorted. A job wrote them, and may have put links and devices
 * there: nothing is followed, only plain files are found. A pattern that names a folder means all that is in it.
 */
export function findProjectFiles(root: string, patterns: readonly string[]): ProjectFile[] {
  const globs = patterns.map((pattern) => new Bun.Glob(pattern));
  const found = new Map<string, ProjectFile>();
  const seen = { names: 0 };
  for (const [index, pattern] of patterns.entries()) {
    const literal = literalOf(pattern);
    const isNamed = literal === pattern.replace(/\/+$/, "");
    visit(root, literal, seen, (file) => {
      if (isNamed || globs[index]?.match(file.name)) found.set(file.name, file);
    });
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Why a pattern is not one for files of the project; undefined for a good one. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern === "" || pattern.length > 500) return "it is empty or very long";
  if (pattern.startsWith("/") || /^[A-Za-z]:|[\\\0]/.test(pattern)) return "it must be relative to the project";
  return pattern.split("/").includes("..") ? "it leads out of the project" : undefined;
}

/** The folders of a pattern before its first wildcard. */
function literalOf(pattern: string): string {
  const parts = pattern.replace(/\/+$/, "").split("/");
  const wild = parts.findIndex((part) => /[*?[{!]/.test(part));
  return parts.slice(0, wild < 0 ? parts.length : wild).filter((part) => part !== "" && part !== ".").join("/");
}

function visit(root: string, start: string, seen: { names: number }, onFile: (file: ProjectFile) => void): void {
  // Each folder on the way must be one, and no link to one.
  const parts = start === "" ? [] : start.split("/");
  for (let depth = 0; depth < parts.length; depth++) {
    const stats = statsOf(join(root, ...parts.slice(0, depth + 1)));
    if (stats === undefined || (depth < parts.length - 1 && !stats.isDirectory())) return;
  }
  const waiting = [start];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (++seen.names > maxNames) return;
    const path = join(root, name);
    const stats = statsOf(path);
    if (stats?.isFile()) onFile({ name, path, bytes: stats.size });
    if (!stats?.isDirectory()) continue;
    for (const below of namesIn(path)) waiting.push(name === "" ? below : `${name}/${below}`);
  }
}

function statsOf(path: string) {
  try {
    return lstatSync(path);
  } catch {
    return undefined; // It is gone, or closed to us.
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
