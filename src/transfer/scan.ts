import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
} from "node:fs";
import { GpuError, systemCode } from "../errors.ts";
import { reasonOf } from "../files.ts";
import { isPartName } from "./part.ts";
import { type Found, type Listing } from "./listing.ts";
import { statOf } from "./files.ts";
import { ignoreFiles, isIgnored, parseRules, type Rules } from "./ignored.ts";
import { bufferOf, type Bytes, bytesFrom, folderOf, join, lastPart, shown } from "./names.ts";
import { ignoreFilesAmong, type RuleBook } from "./rule-book.ts";

export interface Scanned {
  readonly listing: Listing;
  /** Names that are neither file, folder nor link. */
  readonly odd: readonly Bytes[];
}

interface Scan {
  /** Absolute. */
  readonly root: Bytes;
  /** Leaves out what it says, and takes the ignore files that are found; undefined: everything is listed. */
  readonly book: RuleBook | undefined;
  readonly isIgnoring: boolean;
  /** A root that is not there holds nothing. */
  readonly mayBeMissing: boolean;
  readonly signal: AbortSignal;
}

/** How many names are looked at in one go: some milliseconds. */
const namesAtATime = 1000;

/** All that is in a folder of this computer, without following links. A name that goes away meanwhile is not there. */
export async function scan({ root, book, isIgnoring, mayBeMissing, signal }: Scan): Promise<Scanned> {
  const listing: Listing = new Map();
  const odd: Bytes[] = [];
  let count = 0;
  const folders: Bytes[] = ["."];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const below: Bytes[] = [];
    const names = namesIn(root, folder, mayBeMissing || folder !== ".");
    if (book && isIgnoring) readRules(root, folder, names, book);
    const rules = book?.rulesIn(folder);
    for (const name of names) {
      if (++count % namesAtATime === 0) {
        signal.throwIfAborted();
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (isPartName(name)) continue;
      const path = join(folder, name);
      const found = look(`${root}/${path}`);
      if (found === undefined) continue;
      if (rules && isIgnored(path, found.kind === "folder", rules)) continue;
      if (found.kind === "other") {
        odd.push(path);
        continue;
      }
      listing.set(path, found);
      if (found.kind === "folder") below.push(path);
    }
    folders.push(...below.toReversed());
  }
  return { listing, odd };
}

/** The rules of the folders around, as far up as the repository they belong to. None where they leave all of it out. */
export function outerRules(root: Bytes): Rules[] {
  const top = repositoryOf(root);
  if (top === undefined) return [];
  const rules: Rules[] = [];
  for (let folder = root; folder !== top;) {
    folder = folderOf(folder);
    const prefix = `${root.slice(folder === "/" ? 1 : folder.length + 1)}/`;
    const contents = ignoreFiles.flatMap((name) => contentOf(join(folder, name)) ?? []).toReversed();
    rules.push(...contents.map((content) => ({ ...parseRules(content, ""), prefix })));
  }
  // The folder was named: that what is around it leaves it out is no reason to leave out all that is in it.
  for (let path = root; path !== top; path = folderOf(path)) {
    const above = rules.filter(({ prefix = "" }) => root.length - prefix.length + 1 < path.length);
    const own = above.map(({ patterns, prefix = "" }) => ({
      base: "",
      patterns,
      prefix: folderOf(path.slice(root.length - prefix.length + 1)) === "."
        ? ""
        : `${folderOf(path.slice(root.length - prefix.length + 1))}/`,
    }));
    if (isIgnored(lastPart(path), true, own)) return [];
  }
  return rules;
}

function repositoryOf(root: Bytes): Bytes | undefined {
  for (let folder = root;; folder = folderOf(folder)) {
    if (look(join(folder, ".git")) !== undefined) return folder;
    if (folder === "/" || folderOf(folder) === folder || folderOf(folder) === ".") return undefined;
  }
}

function namesIn(root: Bytes, folder: Bytes, mayBeMissing: boolean): Bytes[] {
  try {
    return readdirSync(bufferOf(folder === "." ? root : join(root, folder)), { encoding: "buffer" }).map(bytesFrom)
      .toSorted();
  } catch (error) {
    if (systemCode(error) === "ENOENT" && mayBeMissing) return [];
    throw unreadable("folder", `${root}/${folder}`, error);
  }
}

function readRules(root: Bytes, folder: Bytes, names: readonly Bytes[], book: RuleBook): void {
  const present = ignoreFilesAmong(new Set(names));
  if (present.length === 0) return;
  book.add(folder, present.flatMap((name) => contentOf(`${root}/${join(folder, name)}`) ?? []));
}

/** As git does it: an ignore file that is a link is none. */
function contentOf(path: Bytes): Bytes | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(
      bufferOf(path),
      constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
    );
    if (!fstatSync(descriptor).isFile()) return undefined;
    return bytesFrom(readFileSync(descriptor));
  } catch (error) {
    if (["ENOENT", "ELOOP", "EMLINK", "EISDIR", "ENOTDIR"].includes(systemCode(error) ?? "")) return undefined;
    throw unreadable("file", path, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function look(path: Bytes): Found | undefined {
  let stats: Stats;
  const raw = bufferOf(path);
  try {
    stats = lstatSync(raw);
    const stat = statOf(stats.mode, stats.size, stats.mtimeMs / 1000);
    return stat.kind === "link"
      ? { ...stat, target: bytesFrom(readlinkSync(raw, { encoding: "buffer" })) }
      : { ...stat, stamp: stats.mtimeMs };
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw unreadable("file", path, error);
  }
}

function unreadable(kind: "file" | "folder", path: Bytes, error: unknown): GpuError {
  return new GpuError(`cannot read the ${kind} \`${shown(path)}\`: ${reasonOf(error)}`, {
    hint: `make \`${shown(lastPart(path))}\` readable, or leave it out with \`--exclude\``,
    cause: error,
  });
}
