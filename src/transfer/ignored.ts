import { type Bytes, folderOf } from "./names.ts";
import { wildmatch } from "./wildmatch.ts";

/** Files that say what stays behind; of two in one folder the later has the last word. */
export const ignoreFiles = [".gitignore", ".gpuignore"];

interface Pattern {
  readonly isNegated: boolean;
  /** Speaks of folders only. */
  readonly isForFolders: boolean;
  /** Matches a name in any folder, and not a path. */
  readonly isName: boolean;
  /** What stands before the first wildcard. */
  readonly literal: Bytes;
  readonly rest: Bytes;
}

/** The patterns of one ignore file. */
export interface Rules {
  /** The folder whose rules these are: "" or ending in `/`. */
  readonly base: Bytes;
  /** Of a folder outside of the tree: the way from there to the tree, ending in `/`. */
  readonly prefix?: Bytes;
  readonly patterns: readonly Pattern[];
}

/** Reads an ignore file as git does (dir.c). */
export function parseRules(content: Bytes, base: Bytes): Rules {
  const text = content.startsWith("\xef\xbb\xbf") ? content.slice(3) : content;
  const patterns = text.split("\n").flatMap((line) => {
    if (line.startsWith("#")) return [];
    const pattern = parsePattern(withoutTrailingSpaces(line.replace(/\r$/, "")));
    return pattern === undefined ? [] : [pattern];
  });
  return { base, patterns };
}

/** Whether a name is left out, by rules of which the first has the last word. Its folder is known not to be. */
export function isIgnored(path: Bytes, isFolder: boolean, rules: readonly Rules[]): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  for (const { base, prefix = "", patterns } of rules) {
    if (!path.startsWith(base)) continue;
    const relative = prefix + path.slice(base.length);
    for (let index = patterns.length - 1; index >= 0; index--) {
      const pattern = patterns[index];
      if (pattern === undefined || (pattern.isForFolders && !isFolder)) continue;
      if (matches(pattern, pattern.isName ? name : relative)) return !pattern.isNegated;
    }
  }
  return false;
}

/** Remembers which folders are left out, so that names below them are too. For names that come in any order. */
export class IgnoredBelow {
  readonly #folders = new Map<Bytes, boolean>([[".", false]]);
  readonly #rulesFor: (folder: Bytes) => readonly Rules[];

  constructor(rulesFor: (folder: Bytes) => readonly Rules[]) {
    this.#rulesFor = rulesFor;
  }

  has(path: Bytes, isFolder: boolean): boolean {
    const folder = folderOf(path);
    return this.#hasFolder(folder) || isIgnored(path, isFolder, this.#rulesFor(folder));
  }

  #hasFolder(folder: Bytes): boolean {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const is = this.has(folder, true);
    this.#folders.set(folder, is);
    return is;
  }
}

function matches({ literal, rest }: Pattern, path: Bytes): boolean {
  if (!path.startsWith(literal)) return false;
  // What is behind the literal is a pattern of its own, whose `**` may stand at its start: so it is in git.
  return rest === "" ? path.length === literal.length : wildmatch(rest, path.slice(literal.length));
}

function parsePattern(line: Bytes): Pattern | undefined {
  const isNegated = line.startsWith("!");
  let text = isNegated ? line.slice(1) : line;
  const isForFolders = text.endsWith("/");
  if (isForFolders) text = text.slice(0, -1);
  if (text === "") return undefined;
  const isName = !text.includes("/");
  if (text.startsWith("/")) text = text.slice(1);
  const at = text.search(/[*?[\\]/);
  const literal = at < 0 ? text : text.slice(0, at);
  return { isNegated, isForFolders, isName, literal, rest: at < 0 ? "" : text.slice(at) };
}

/** A space at the end counts only behind a backslash. */
function withoutTrailingSpaces(line: Bytes): Bytes {
  let start = -1;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === " ") {
      if (start < 0) start = at;
      continue;
    }
    if (line[at] === "\\" && ++at >= line.length) return line;
    start = -1;
  }
  return start < 0 ? line : line.slice(0, start);
}
