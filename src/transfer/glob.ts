import { GpuError } from "../errors.ts";
import type { Files } from "./files.ts";
import { type Bytes, join, shown } from "./names.ts";
import { hasWildcards, matchesName, unescaped } from "./wildmatch.ts";

/** The paths that a pattern stands for, sorted; a path without `*`, `?` and `[` stands for itself, and so does one that is there. */
export async function expand(files: Files, pattern: Bytes): Promise<Bytes[]> {
  if (!hasWildcards(pattern)) return [unescaped(pattern)];
  if (await files.stat(pattern) !== undefined) return [pattern];
  let found: Bytes[] = [pattern.startsWith("/") ? "/" : ""];
  const parts = pattern.split("/").filter((part) => part !== "");
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const next: Bytes[] = [];
    for (const folder of found) {
      if (!hasWildcards(part)) next.push(join(folder, unescaped(part)));
      else for (const name of await matching(files, folder, part, isLast)) next.push(join(folder, name));
    }
    found = next;
  }
  const there = hasWildcards(parts.at(-1) ?? "")
    ? found
    : (await Promise.all(found.map(async (path) => await files.lstat(path) ? [path] : []))).flat();
  if (there.length === 0) throw new GpuError(`nothing is called \`${files.prefix}${shown(pattern)}\``);
  return there.toSorted();
}

async function matching(files: Files, folder: Bytes, pattern: Bytes, isLast: boolean): Promise<Bytes[]> {
  const found: Bytes[] = [];
  for await (const batch of files.list(folder === "" ? "." : folder)) {
    for (const { name, kind } of batch) {
      // As in a shell: a leading dot is matched by a dot alone.
      if (name.startsWith(".") && !pattern.startsWith(".")) continue;
      if (name.includes("/") || name.includes("\0") || name === "") continue;
      if (!isLast && kind !== "folder" && kind !== "link") continue;
      if (matchesName(pattern, name)) found.push(name);
    }
  }
  return found;
}
