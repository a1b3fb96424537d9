import { createHash } from "node:crypto";
import { underWayBytes } from "../ssh/sftp/pump.ts";
import type { FileCopy } from "./copy-file.ts";
import type { OpenFile, Stat } from "./files.ts";
import { type Bytes, folderOf, join, lastPart } from "./names.ts";

/** How a file is called until it is whole. */
export interface PartName {
  readonly path: Bytes;
  /** What the parts of this very file begin with, and those of any file that goes there. */
  readonly ofThis: Bytes;
  readonly ofAny: Bytes;
}

/** A name for the part of this copy, in the folder of what it becomes. */
export function partNames({ world, from, source, destination }: FileCopy, { bytes, mtime }: Stat): PartName {
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

/** What is compared before an interrupted file is gone on with. */
const comparedBytes = 2 ** 20;

/**
 * Takes over what an interrupted copy left, where it is the beginning of the same file. Giving it another name first
 * keeps another copy from doing the same. What was left of an older version of the file goes. What a copy that is under
 * way writes is left to it.
 */
export async function takeOver(
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
