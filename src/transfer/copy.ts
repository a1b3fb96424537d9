import { GpuError } from "../errors.ts";
import type { World } from "../world.ts";
import { Gauge } from "./amounts.ts";
import { copyFile } from "./copy-file.ts";
import { destinations, type Side } from "./destinations.ts";
import type { Files, Stat } from "./files.ts";
import { type Bytes, folderOf, join, shown } from "./names.ts";
import { each } from "./pool.ts";
import { Refusals, type Refused, throwRefused } from "./refused.ts";
import { type Item, type Skipped, walk } from "./tree.ts";

export interface Copying {
  readonly world: Pick<World, "random" | "clock" | "platform">;
  readonly sources: readonly Side[];
  readonly to: Side;
  readonly isResuming: boolean;
  readonly isDryRun: boolean;
  readonly signal: AbortSignal;
  onProgress(text: string | undefined): void;
}

export interface Copied {
  /** Each file that is copied, as people read it: where it goes to, and its size. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly bytes: number;
  /** Of those, what an interrupted copy had left. */
  readonly resumedBytes: number;
  readonly skipped: readonly Skipped[];
}

/** A source with all that is in it, and where that goes. */
interface Work {
  readonly from: Files;
  readonly source: Bytes;
  readonly destination: Bytes;
  readonly root: Stat;
  readonly items: readonly Item[];
}

/** Files under way at once: each waits for several answers one after the other. */
const filesAtOnce = 48;
/** Long files fill the connection by themselves. */
const longBytes = 2 ** 20;
const longAtOnce = 2;

/**
 * Copies files and folders to one place. What of a folder cannot be copied keeps nothing else from it, and is the error at
 * the end.
 */
export async function copyAll(copying: Copying): Promise<Copied> {
  const { sources, to, isDryRun, world, signal, onProgress } = copying;
  const skipped: Skipped[] = [];
  onProgress("looking");
  const places = await destinations(sources, to);
  const works: Work[] = [];
  for (const { side, root, destination } of places) {
    const items: Item[] = [];
    if (root.kind === "folder") {
      const platform = to.files.isLocal ? world.platform : "linux";
      const isWary = !side.files.isLocal;
      const found = walk({
        files: side.files,
        root: side.path,
        platform,
        isWary,
        signal,
        skip: (skip) => skipped.push(skip),
      });
      for await (const item of found) items.push(item);
    }
    works.push({ from: side.files, source: side.path, destination, root, items });
  }
  const files = works.flatMap(({ root, items, destination }) =>
    [{ path: "", ...root }, ...items].filter(({ kind }) => kind === "file")
      .map(({ path, bytes }) => ({
        path: to.files.prefix + shown(path === "" ? destination : join(destination, path)),
        bytes,
      }))
  );
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let resumedBytes = 0;
  if (!isDryRun) {
    const gauge = new Gauge({ files: files.length, bytes }, world.clock, onProgress);
    const onResumed = (count: number) => {
      resumedBytes += count;
      gauge.skipBytes(count);
    };
    const refused: Refused[] = [];
    for (const work of works) refused.push(...await perform(work, copying, { gauge, onResumed }));
    onProgress(undefined);
    throwRefused(refused);
  }
  onProgress(undefined);
  return { files, bytes, resumedBytes, skipped };
}

interface Reporting {
  readonly gauge: Gauge;
  onResumed(bytes: number): void;
}

/** Returns what of a folder could not be copied. */
async function perform(
  work: Work,
  copying: Copying,
  { gauge, onResumed }: Reporting,
): Promise<readonly Refused[]> {
  const { from, source, destination, root, items } = work;
  const { to: { files: to, path: toPath }, world, isResuming, signal } = copying;
  const copy = async (path: Bytes, isFolderNew: boolean) => {
    await copyFile({
      ...{ world, from, to, isResuming, isFolderNew, signal, onResumed },
      source: path === "" ? source : join(source, path),
      destination: path === "" ? destination : join(destination, path),
      onBytes: (count) => gauge.addBytes(count),
    });
    gauge.addFile();
  };
  if (toPath.endsWith("/") && await to.stat(toPath) === undefined) {
    await to.makeFolder(toPath.replace(/\/+$/, ""), 0o777);
  }
  if (root.kind === "file") {
    await copy("", false);
    return [];
  }

  const refusals = new Refusals(signal);
  const made = new Set<Bytes>();
  const isRootNew = await ensureFolder(to, destination, { mayBeLink: true });
  if (isRootNew) made.add("");
  for (const { path } of items.filter(({ kind }) => kind === "folder")) {
    signal.throwIfAborted();
    await refusals.attempt(path, async () => {
      if (await ensureFolder(to, join(destination, path), { isNew: made.has(parentOf(path)) })) made.add(path);
    });
  }
  const files = items.filter(({ kind }) => kind === "file");
  const copyFound = ({ path }: Item) => refusals.attempt(path, () => copy(path, made.has(parentOf(path))));
  await Promise.all([
    each(files.filter(({ bytes }) => bytes < longBytes), filesAtOnce, copyFound),
    each(files.filter(({ bytes }) => bytes >= longBytes), longAtOnce, copyFound),
  ]);
  const links = items.filter(({ kind }) => kind === "link");
  await each(links, filesAtOnce, ({ path, target = "" }) =>
    refusals.attempt(path, async () => {
      const place = join(destination, path);
      const there = made.has(parentOf(path)) ? undefined : await to.lstat(place);
      if (there?.kind === "folder" || there?.kind === "other") {
        throw new GpuError(`\`${to.prefix}${shown(place)}\` is in the way of a link`);
      }
      if (there !== undefined) await to.remove(place);
      await to.makeLink(target, place);
    }));
  // Last and from below: what is written into a folder changes its time, and it may be closed to its owner.
  for (const { path, mode, mtime } of items.filter(({ kind }) => kind === "folder").toReversed()) {
    await refusals.attempt(path, () => to.setFolder(join(destination, path), { mode, mtime }));
  }
  if (isRootNew) await to.setFolder(destination, root);
  return refusals.all;
}

/** Makes a folder where there is none; `true`: it is new. A link in a tree is not gone through. */
async function ensureFolder(
  files: Files,
  path: Bytes,
  { mayBeLink = false, isNew = false }: { mayBeLink?: boolean; isNew?: boolean },
): Promise<boolean> {
  const there = isNew ? undefined : await (mayBeLink ? files.stat(path) : files.lstat(path));
  if (there?.kind === "folder") return false;
  if (there !== undefined) {
    const why = there.kind === "link" ? "is a link, which is not followed" : "is no folder";
    throw new GpuError(`\`${files.prefix}${shown(path)}\` ${why}, and a folder would go there`);
  }
  try {
    await files.makeFolder(path);
  } catch (error) {
    if (await files.stat(folderOf(path)) !== undefined) throw error;
    throw new GpuError(`there is no folder \`${files.prefix}${shown(folderOf(path))}\``, { cause: error });
  }
  return true;
}

function parentOf(path: Bytes): Bytes {
  const at = path.lastIndexOf("/");
  return at < 0 ? "" : path.slice(0, at);
}
