import type { Stat } from "./files.ts";
import { type Bytes, folderOf, shown } from "./names.ts";
import type { Refused } from "./refused.ts";

/** What is at a path of a tree. */
export interface Found extends Stat {
  /** Where a link leads. */
  readonly target?: Bytes;
  /** The exact time of change here, in milliseconds: two changes in one second are told apart by it. */
  readonly stamp?: number;
}

/** A tree: what is at each path below its root, each folder before what is in it. */
export type Listing = Map<Bytes, Found>;

/** What makes one tree like another. Paths are below the root. */
export interface Difference {
  /** New, or changed. */
  readonly files: readonly Bytes[];
  readonly links: readonly Bytes[];
  /** To be made, or to be given other permissions or another time, or having something changed in them. */
  readonly folders: readonly Bytes[];
  /** In the way of something of another kind, or not in the source; the deepest first. */
  readonly removed: readonly Bytes[];
  readonly removedFolders: readonly Bytes[];
  /** Files and links that cannot go there, since what is in their way must stay. */
  readonly refused: readonly Refused[];
  readonly bytes: number;
  /** Files that are the same already. */
  readonly same: number;
}

interface Comparison {
  readonly source: Listing;
  readonly there: Listing;
  /** What the source does not have goes. */
  readonly isDeleting: boolean;
  /** What is left out of the copy is not deleted either. */
  isProtected(path: Bytes, isFolder: boolean): boolean;
  /** Permissions mean nothing on one of the sides. */
  readonly hasModes: boolean;
  /** Whether the contents are the same, where that was looked at; undefined: size and time decide. */
  sameContent?(path: Bytes): boolean | undefined;
}

/** What has to be done to make `there` like `source`. */
export function compare(comparison: Comparison): Difference {
  const { source, there, isDeleting, isProtected, hasModes } = comparison;
  const removed = new Set<Bytes>();
  const files: Bytes[] = [];
  const links: Bytes[] = [];
  const folders: Bytes[] = [];
  let bytes = 0;
  let same = 0;
  const touched = new Set<Bytes>();
  for (const [path, wanted] of source) {
    const found = there.get(path);
    if (found !== undefined && found.kind !== wanted.kind) removed.add(path);
    if (wanted.kind === "folder") {
      const isSame = found?.kind === "folder" && (!hasModes || found.mode === wanted.mode) &&
        found.mtime === wanted.mtime;
      if (!isSame) folders.push(path);
      if (found === undefined) touched.add(folderOf(path));
    } else if (wanted.kind === "link") {
      if (found?.kind === "link" && found.target === wanted.target) continue;
      if (found?.kind === "link") removed.add(path);
      links.push(path);
      touched.add(folderOf(path));
    } else if (isSameFile(comparison, path, wanted, found)) {
      same++;
    } else {
      files.push(path);
      touched.add(folderOf(path));
      bytes += wanted.bytes;
    }
  }
  const kept = new Set<Bytes>();
  const refused = new Map<Bytes, Refused>();
  // From below, so that a folder with something that stays, stays.
  for (const [path, { kind }] of [...there].toReversed()) {
    const isGone = !source.has(path);
    const isInTheWay = removed.has(path);
    if (!isGone && !isInTheWay) continue;
    if (isInTheWay && kind === "folder" && (kept.has(path) || !isDeleting && hasContent(path))) {
      refused.set(path, {
        path,
        message: `the folder \`${shown(path)}\` is in the way of something else of that name`,
        hint: "`--delete` deletes what is in it; what ignore files name is never deleted",
      });
      removed.delete(path);
      const wanted = source.get(path);
      if (wanted?.kind === "file") bytes -= wanted.bytes;
      continue;
    }
    if (isGone && (!isDeleting || kept.has(path) || isProtected(path, kind === "folder"))) {
      for (let folder = folderOf(path); folder !== "."; folder = folderOf(folder)) {
        if (kept.has(folder)) break;
        kept.add(folder);
      }
      continue;
    }
    removed.add(path);
    touched.add(folderOf(path));
  }
  const gone = [...removed].toSorted((a, b) => (a < b ? 1 : -1));
  // Whatever is done in a folder changes its time.
  const set = new Set(folders);
  for (const folder of touched) if (source.get(folder)?.kind === "folder") set.add(folder);
  return {
    ...{ bytes, same },
    files: files.filter((path) => !refused.has(path)),
    links: links.filter((path) => !refused.has(path)),
    refused: [...refused.values()],
    folders: [...set].toSorted(),
    removed: gone.filter((path) => there.get(path)?.kind !== "folder"),
    removedFolders: gone.filter((path) => there.get(path)?.kind === "folder"),
  };

  function hasContent(folder: Bytes): boolean {
    for (const path of there.keys()) if (path.startsWith(`${folder}/`)) return true;
    return false;
  }
}

function isSameFile(
  { hasModes, sameContent }: Comparison,
  path: Bytes,
  wanted: Found,
  found: Found | undefined,
): boolean {
  if (found?.kind !== "file" || found.bytes !== wanted.bytes) return false;
  if (hasModes && found.mode !== wanted.mode) return false;
  if (found.stamp !== undefined && wanted.stamp !== undefined && found.stamp !== wanted.stamp) return false;
  return sameContent?.(path) ?? found.mtime === wanted.mtime;
}
