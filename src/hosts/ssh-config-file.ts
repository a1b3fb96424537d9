import { readdir } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { readTextIfThere } from "../files.ts";
import { matchesPatterns } from "../ssh/known-hosts.ts";
import type { World } from "../world.ts";

/** One line of an ssh configuration, with the conditions that it stands under. */
export interface Directive {
  /** Without capitals. */
  readonly keyword: string;
  readonly args: readonly string[];
  /** Pattern lists of the `Host` lines above it: all must match. */
  readonly hosts: readonly (readonly string[])[];
  /** A `Match` line is above it, and only ssh knows what follows from that. */
  readonly isMatch: boolean;
  /** `~/.ssh/config:3` */
  readonly place: string;
}

const deepest = 16;

/** All lines of a configuration file, with those that it includes; none where there is no file. */
export async function readSshConfig(
  file: string,
  world: Pick<World, "home">,
  above: Pick<Directive, "hosts" | "isMatch"> & { readonly depth?: number; readonly base?: string } = {
    hosts: [],
    isMatch: false,
  },
): Promise<Directive[]> {
  const { depth = 0, base = dirname(file) } = above;
  const text = await readTextIfThere(file);
  if (text === undefined || depth > deepest) return [];
  const found: Directive[] = [];
  let scope: Pick<Directive, "hosts" | "isMatch"> = above;
  for (const [index, line] of text.split("\n").entries()) {
    const [word, ...args] = splitLine(line);
    if (word === undefined) continue;
    const keyword = word.toLowerCase();
    const place = `${file}:${index + 1}`;
    if (keyword === "host") {
      scope = { hosts: [...above.hosts, args], isMatch: above.isMatch };
    } else if (keyword === "match") {
      const isAll = args.length === 1 && args[0]?.toLowerCase() === "all";
      scope = isAll ? { hosts: above.hosts, isMatch: above.isMatch } : { hosts: above.hosts, isMatch: true };
      if (!isAll) found.push({ keyword, args, place, ...scope });
    } else if (keyword === "include") {
      for (const path of await includedBy(args, { base, home: world.home })) {
        found.push(...await readSshConfig(path, world, { ...scope, depth: depth + 1, base }));
      }
    } else found.push({ keyword, args, place, hosts: scope.hosts, isMatch: scope.isMatch });
  }
  return found;
}

/** Whether it holds for a host, as it was named; with a `Match` above it, whether it may. */
export function appliesTo({ hosts }: Directive, name: string): boolean {
  return hosts.every((patterns) => matchesPatterns(name, patterns));
}

/** Keyword and arguments: `Keyword argument`, `Keyword=argument`, with quotes around what has spaces, `#` before a comment. */
export function splitLine(line: string): string[] {
  const [, keyword = "", rest = ""] = /^\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+|$)(.*)$/.exec(line) ?? [];
  if (keyword === "") return [];
  // ProxyCommand goes to a shell as it is.
  if (/^proxycommand$/i.test(keyword)) return [keyword, rest.trim()];
  const words: string[] = [];
  for (const [whole, double, single, plain] of rest.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)) {
    if (whole.startsWith("#")) break;
    words.push(double?.replace(/\\(["\\])/g, "$1") ?? single ?? plain ?? "");
  }
  return [keyword, ...words];
}

async function includedBy(
  patterns: readonly string[],
  { base, home }: { base: string; home: string },
): Promise<string[]> {
  const paths = patterns.map((pattern) =>
    pattern.startsWith("~/") ? join(home, pattern.slice(2)) : isAbsolute(pattern) ? pattern : join(base, pattern)
  );
  return (await Promise.all(paths.map(glob))).flat();
}

/** The files that a pattern stands for, in order. */
async function glob(pattern: string): Promise<string[]> {
  if (!/[*?]/.test(pattern)) return [pattern];
  const folders = await glob(dirname(pattern));
  const name = basename(pattern);
  if (!/[*?]/.test(name)) return folders.map((folder) => join(folder, name));
  const found = await Promise.all(folders.map(async (folder) => {
    const names = await readdir(folder).catch(() => []);
    const isMeant = (one: string) => (name.startsWith(".") || !one.startsWith(".")) && matchesPatterns(one, [name]);
    return names.filter(isMeant).toSorted().map((one) => join(folder, one));
  }));
  return found.flat();
}
