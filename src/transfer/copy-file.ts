import { createHash } from "node:crypto";
import { GpuError } from "../errors.ts";
import { pump, underWayBytes } from "../ssh/sftp/pump.ts";
import type { World } from "../world.ts";
import type { Files, OpenFile, Stat } from "./files.ts";
import { type Bytes, folderOf, join, lastPart, shown } from "./names.ts";

export interface FileCopy {
  readonly world: Pick<World, "clock" | "random">;
  readonly from: Files;
  readonly source: Bytes;
  readonly to: Files;
  readonly destination: Bytes;
  /** What an interrupted copy left is gone on with, and left for the next one. */
  readonly isResuming: boolean;
  /** Nothing can be there: the folder was made a moment ago. */
  readonly isFolderNew?: boolean;
  readonly signal?: AbortSignal;
  /** So many more bytes are there. */
  readonly onBytes?: (bytes: number) => void;
  /** So many bytes were there already. */
  readonly onResumed?: (bytes: number) => void;
}

/** A smaller file is begun anew: that is done before its beginning could be compared. */
const resumedFromBytes = 4 * 2 ** 20;
/** What is compared before an interrupted file is gone on with. */
const comparedBytes = 2 ** 20;

/**
 * Copies one file, with its permissions and its time of change. It is written under another name in the same folder
 * and gets its own when it is whole, so whatever happens, the old file or the new one is there.
 */
export async function copyFile(copy: FileCopy): Promise<void> {
  const { from, source, to, destination, isFolderNew = false, isResuming, signal, onBytes } = copy;
  if (!isFolderNew) refuseOther(await to.lstat(destination), `${to.prefix}${shown(destination)}`);
  await using reading = await from.openForReading(source);
  const stat = await reading.stat();
  if (stat.kind !== "file") throw new GpuError(`\`${from.prefix}${shown(source)}\` is not a file`);
  const isLong = isResuming && stat.bytes >= resumedFromBytes;
  const part = partNames(copy, stat);
  const begun = isLong && !isFolderNew ? await takeOver(copy, reading, stat, part) : undefined;
  await using writing = begun?.writing ?? await create(copy, part.path);
  let isDone = false;
  try {
    if (begun) copy.onResumed?.(begun.at);
    await pump({
      source: reading,
      sink: writing,
      from: begun?.at,
      // What says it is empty may be one of the system's own files, whose length nobody knows.
      to: stat.bytes === 0 ? undefined : stat.bytes,
      blockBytes: Math.min(from.blockBytes, to.blockBytes),
      signal,
      onBytes,
    });
    await writing.finish(stat);
    await putInPlace(copy, part.path, stat);
    isDone = true;
  } finally {
    if (!isDone && !isLong) await to.remove(part.path).catch(() => {});
  }
}

async function create({ to, destination }: FileCopy, path: Bytes): Promise<OpenFile> {
  try {
    return await to.create(path, destination);
  } catch (error) {
    const folder = folderOf(destination);
    if (await to.stat(folder) !== undefined) throw error;
    throw new GpuError(`there is no folder \`${to.prefix}${shown(folder)}\``, { cause: error });
  }
}

/** Another copy of the same file may have taken over the part, in which case both have written the same into it. */
async function putInPlace({ to, destination }: FileCopy, part: Bytes, { bytes, mtime }: Stat): Promise<void> {
  try {
    await to.rename(part, destination);
  } catch (error) {
    if (await to.lstat(part) !== undefined) throw error;
    const there = await to.lstat(destination);
    if (there?.kind === "file" && there.bytes === bytes && there.mtime === mtime) return;
    throw new GpuError(
      `another copy to \`${to.prefix}${shown(destination)}\` is under way, and took over from this one`,
      {
        hint: "let it end; the same command again copies what is missing then",
        cause: error,
      },
    );
  }
}

interface PartName {
  readonly path: Bytes;
  /** What the parts of this very file begin with, and those of any file that goes there. */
  readonly ofThis: Bytes;
  readonly ofAny: Bytes;
}

function partNames({ world, from, source, destination }: FileCopy, { bytes, mtime }: Stat): PartName {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 12);
  const ofAny = `.gpu-part-${hash(lastPart(destination))}-`;
  const ofThis = `${ofAny}${hash([from.prefix, source, bytes, mtime].join("\0"))}-`;
  const random = Buffer.from(world.random(4)).toString("hex");
  return { ofAny, ofThis, path: join(folderOf(destination), ofThis + random) };
}

/** Whether a name is one of an unfinished copy or sync: never copied, never deleted by a sync. */
export function isPartName(name: Bytes): boolean {
  return /^\.gpu-(part-[0-9a-f]{12}-[0-9a-f]{12}-[0-9a-f]{8}|sync-[0-9a-f]{12})$/.test(name);
}

/**
 * Takes over what an interrupted copy left, where it is the beginning of the same file. Giving it another name first
 * keeps another copy from doing the same. What was left of an older version of the file goes. What a copy that is under
 * way writes is left to it.
 */
async function takeOver(
  copy: FileCopy,
  reading: OpenFile,
  stat: Stat,
  part: PartName,
): Promise<{ writing: OpenFile; at: number } | undefined> {
  const { to, destination, signal } = copy;
  const folder = folderOf(destination);
  let best: Left | undefined;
  const old: Bytes[] = [];
  for (const left of await deadParts(copy, part)) {
    if (!left.name.startsWith(part.ofThis)) old.push(left.name);
    else if (best === undefined || left.bytes > best.bytes) best = left;
  }
  for (const name of old) await to.remove(join(folder, name)).catch(() => {});
  if (best === undefined) return undefined;
  // Not all of what was under way at the end need have arrived in order.
  const at = Math.min(best.bytes, stat.bytes) - 2 * underWayBytes;
  if (at < comparedBytes) {
    await to.remove(join(folder, best.name)).catch(() => {});
    return undefined;
  }
  try {
    await to.rename(join(folder, best.name), part.path);
  } catch {
    return undefined;
  }
  const writing = await to.openForChange(part.path, destination);
  signal?.throwIfAborted();
  if (
    await haveSame(reading, writing, { from: at - comparedBytes, to: at }) &&
    await haveSame(reading, writing, { from: 0, to: comparedBytes })
  ) {
    return { writing, at };
  }
  await writing[Symbol.asyncDispose]();
  await to.remove(part.path);
  return undefined;
}

interface Left {
  readonly name: Bytes;
  readonly bytes: number;
  readonly mtime: number;
}

/** So long a part is watched, in milliseconds: what grows meanwhile belongs to a copy that is under way. */
const watchedMs = 300;

async function deadParts({ world, to, destination, signal }: FileCopy, { ofAny }: PartName): Promise<Left[]> {
  const find = async () => {
    const found = new Map<Bytes, Left>();
    for await (const batch of to.list(folderOf(destination))) {
      for (const { name, kind, bytes, mtime } of batch) {
        if (kind === "file" && name.startsWith(ofAny) && isPartName(name)) found.set(name, { name, bytes, mtime });
      }
    }
    return found;
  };
  const before = await find();
  if (before.size === 0) return [];
  await world.clock.sleep(watchedMs, signal);
  return [...(await find()).values()].filter(({ name, bytes, mtime }) => {
    const then = before.get(name);
    return then?.bytes === bytes && then.mtime === mtime;
  });
}

async function haveSame(one: OpenFile, other: OpenFile, range: { from: number; to: number }): Promise<boolean> {
  const [a, b] = await Promise.all([digest(one, range), digest(other, range)]);
  return a === b;
}

async function digest(file: OpenFile, { from, to }: { from: number; to: number }): Promise<string | undefined> {
  const hash = createHash("sha256");
  for (let position = from; position < to;) {
    const data = await file.read(position, Math.min(32 * 1024, to - position));
    if (data === undefined || data.length === 0) return undefined;
    hash.update(data);
    position += data.length;
  }
  return hash.digest("hex");
}

/** A device or a pipe must not be replaced by a file, and a folder cannot be. */
export function refuseOther(there: Stat | undefined, name: string): void {
  if (there === undefined || there.kind === "file" || there.kind === "link") return;
  throw new GpuError(
    there.kind === "folder" ? `\`${name}\` is a folder, and a file would replace it` : `\`${name}\` is not a file`,
  );
}
