import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { GpuError, systemCode } from "../errors.ts";
import { reasonOf } from "../files.ts";
import type { Found, Listing } from "./listing.ts";
import { planName } from "./far-scripts.ts";
import { bufferOf, type Bytes, join, shown } from "./names.ts";
import { foldersName, linksName, placePlan, stagedFolder } from "./place-plan.ts";
import { tarEnd, tarFile, tarHardLink, tarHeader, tarPadding } from "./tar-write.ts";

interface Staging {
  /** Absolute. */
  readonly root: Bytes;
  readonly listing: Listing;
  /** The folder it is unpacked in, below the target. */
  readonly stage: Bytes;
  readonly files: readonly Bytes[];
  readonly links: readonly Bytes[];
  readonly folders: readonly Bytes[];
  /** Folders that are there already; those that come with this archive are added. */
  readonly present: Set<Bytes>;
  /** So many bytes of files are packed. */
  onBytes(bytes: number): void;
  onFile(): void;
}

const chunkBytes = 256 * 1024;

/**
 * Files and links as one archive, and with them a script that moves them to where they belong. Folders are an archive
 * of their own, unpacked in place as the last: so the time they get is not changed by what is moved into them, and one
 * that is closed to its owner can still be filled.
 */
export class StagedArchive {
  /** The folder it is unpacked in, below the target. */
  readonly stage: Bytes;
  readonly #staging: Staging;
  readonly #packed = new Map<Bytes, number>();

  constructor(staging: Staging) {
    this.stage = staging.stage;
    this.#staging = staging;
  }

  /** The files and links that are in it so far, with their sizes in bytes. */
  get packed(): ReadonlyMap<Bytes, number> {
    return this.#packed;
  }

  /** All of it. */
  async *bytes(): AsyncGenerator<Uint8Array> {
    const { listing, files, links, folders, present } = this.#staging;
    const chunks = new Chunks();
    for (const path of [...files, ...links]) {
      const found = listing.get(path);
      const bytes = found?.kind === "file" ? yield* pack(this.#staging, { path, found, chunks }) : 0;
      if (bytes === undefined) continue;
      if (found?.kind === "link") yield* chunks.add(tarHeader(join(stagedFolder, path), found));
      this.#packed.set(path, bytes);
    }
    const added = folders.toSorted((a, b) => (a < b ? 1 : -1)).flatMap((path) => {
      const found = listing.get(path);
      return found ? [tarHeader(path, found)] : [];
    });
    if (added.length > 0) yield* chunks.add(tarFile(foldersName, Buffer.concat([...added, tarEnd])));
    yield* this.#end(chunks, [...this.#packed.keys()], added.length > 0);
    for (const path of folders) present.add(path);
  }

  /** What puts these in place, which are unpacked there already; no folders. */
  async *placing(unpacked: readonly Bytes[]): AsyncGenerator<Uint8Array> {
    yield* this.#end(new Chunks(), unpacked, false);
  }

  *#end(chunks: Chunks, packed: readonly Bytes[], hasFolders: boolean): Generator<Uint8Array> {
    const { listing, present, stage } = this.#staging;
    const isFile = (path: Bytes) => listing.get(path)?.kind === "file";
    const { script, linked } = placePlan({ packed, isFile, present, hasFolders });
    if (linked.length > 0) yield* chunks.add(tarFile(linksName, linksArchive(linked, stage)));
    yield* chunks.add(tarFile(planName, bufferOf(script)));
    yield* chunks.add(tarEnd);
    yield* chunks.flush();
  }
}

/** Gives what was unpacked its own name, in the target. `stage` is where that was, seen from there. */
function linksArchive(paths: readonly Bytes[], stage: Bytes): Buffer {
  return Buffer.concat([...paths.map((path) => tarHardLink(path, join(stage, join(stagedFolder, path)))), tarEnd]);
}

interface Packed {
  readonly path: Bytes;
  readonly found: Found;
  readonly chunks: Chunks;
}

/** A file as it is now, and its size: it may have changed since it was listed. Undefined: it is gone. */
function* pack(
  { root, onBytes, onFile }: Staging,
  { path, found, chunks }: Packed,
): Generator<Buffer, number | undefined> {
  const place = `${root}/${path}`;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(bufferOf(place), openFlags);
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new GpuError(`\`${shown(place)}\` stopped being a file`, { hint: "try again" });
    const now = { ...found, bytes: stats.size, mtime: Math.floor(stats.mtimeMs / 1000) };
    yield* chunks.add(tarHeader(join(stagedFolder, path), now));
    for (let left = stats.size; left > 0;) {
      const room = chunks.room(left);
      const count = readSync(descriptor, room, 0, room.length, null);
      if (count === 0) {
        throw new GpuError(`\`${shown(place)}\` became shorter while it was sent`, { hint: "try again" });
      }
      left -= count;
      onBytes(count);
      yield* chunks.take(count);
    }
    yield* chunks.add(zeros.subarray(0, tarPadding(stats.size)));
    onFile();
    return stats.size;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error instanceof GpuError
      ? error
      : new GpuError(`cannot read \`${shown(place)}\`: ${reasonOf(error)}`, { cause: error });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

const zeros = Buffer.alloc(512);

/** Bytes gathered into long pieces, without copying what is read from files. */
class Chunks {
  #chunk = Buffer.allocUnsafe(chunkBytes);
  #used = 0;

  *add(part: Buffer): Generator<Buffer> {
    for (let at = 0; at < part.length;) {
      const room = this.room(part.length - at);
      part.copy(room, 0, at, at + room.length);
      at += room.length;
      yield* this.take(room.length);
    }
  }

  /** Where the next bytes go, at most so many. */
  room(most: number): Buffer {
    return this.#chunk.subarray(this.#used, Math.min(chunkBytes, this.#used + most));
  }

  /** So many have gone there. */
  *take(count: number): Generator<Buffer> {
    this.#used += count;
    if (this.#used === chunkBytes) yield* this.flush();
  }

  *flush(): Generator<Buffer> {
    if (this.#used === 0) return;
    const full = this.#chunk.subarray(0, this.#used);
    // What was handed out may still wait to be sent.
    this.#chunk = Buffer.allocUnsafe(chunkBytes);
    this.#used = 0;
    yield full;
  }
}

// What became a link or a pipe since it was listed is not followed and not waited for.
const openFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
