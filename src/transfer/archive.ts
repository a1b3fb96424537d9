import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { GpuError, systemCode } from "../errors.ts";
import { reasonOf } from "../files.ts";
import type { Found, Listing } from "./listing.ts";
import { bufferOf, type Bytes, shown } from "./names.ts";
import { tarEnd, tarHeader, tarPadding } from "./tar-write.ts";

interface Archive {
  /** Absolute. */
  readonly root: Bytes;
  readonly listing: Listing;
  readonly files: readonly Bytes[];
  readonly links: readonly Bytes[];
  readonly folders: readonly Bytes[];
  /** So many bytes of files are packed. */
  onBytes(bytes: number): void;
  onFile(): void;
}

const chunkBytes = 256 * 1024;

/**
 * Files, links and folders as one archive. Folders come last and from below: so the time they get is not changed by
 * what is unpacked into them, and one that is closed to its owner can still be filled.
 */
export async function* archiveOf(archive: Archive): AsyncGenerator<Uint8Array> {
  const { listing, files, links, folders } = archive;
  const chunks = new Chunks();
  for (const path of [...files, ...links, ...folders.toSorted((a, b) => (a < b ? 1 : -1))]) {
    const found = listing.get(path);
    if (found?.kind === "file") yield* pack(archive, { path, found, chunks });
    else if (found !== undefined) yield* chunks.add(tarHeader(path, found));
  }
  yield* chunks.add(tarEnd);
  yield* chunks.flush();
}

interface Packed {
  readonly path: Bytes;
  readonly found: Found;
  readonly chunks: Chunks;
}

/** A file as it is now: it may have changed since it was listed, or be gone. */
function* pack({ root, onBytes, onFile }: Archive, { path, found, chunks }: Packed): Generator<Buffer> {
  const place = `${root}/${path}`;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(bufferOf(place), openFlags);
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new GpuError(`\`${shown(place)}\` stopped being a file`, { hint: "try again" });
    yield* chunks.add(tarHeader(path, { ...found, bytes: stats.size, mtime: Math.floor(stats.mtimeMs / 1000) }));
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
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
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
