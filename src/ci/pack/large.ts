import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { GpuError, systemCode } from "../../errors.ts";
import { isWorthPacking, openFlags, type PackDone } from "./batch.ts";
import type { PackPool } from "./pool.ts";
import { type TreeFile, unreadable } from "./tree.ts";
import type { ZipWriter } from "./zip.ts";

/** Hears of a file that went away since it was listed. */
export type OnGone = (name: string) => void;

const pieceBytes = 2 ** 20;
/** How far back deflate looks. */
const windowBytes = 32 * 2 ** 10;

/** A large file, in pieces that the pool packs side by side; its sizes stand behind it. */
export async function* packLarge(
  zip: ZipWriter,
  file: TreeFile,
  { pool, signal, onGone }: { pool: PackPool; signal: AbortSignal | undefined; onGone: OnGone | undefined },
): AsyncGenerator<Uint8Array> {
  const opened = await openLarge(file, onGone);
  if (opened === undefined) return;
  await using handle = opened;
  const ahead: Promise<PackDone>[] = [];
  let entry: ReturnType<ZipWriter["open"]> | undefined;
  let method: 0 | 8 = 0;
  let before = new Uint8Array(0);
  const sizes = { crc: 0, packedBytes: 0, bytes: 0 };
  const passed = (part: Uint8Array) => {
    sizes.packedBytes += part.length;
    return part;
  };
  for (;;) {
    signal?.throwIfAborted();
    // One that has shrunk since it was listed is what is there; one that has grown is cut.
    const piece = pool.lend(Math.min(pieceBytes, file.bytes - sizes.bytes));
    const content = piece.subarray(0, await readPiece(handle, file, piece));
    if (entry === undefined) {
      method = isWorthPacking(content) ? 8 : 0;
      entry = zip.open(file, { method, expectedBytes: file.bytes });
      yield entry.head;
    }
    if (content.length === 0) break;
    sizes.crc = crc32(content, sizes.crc);
    sizes.bytes += content.length;
    if (method === 0) {
      yield passed(content);
      continue;
    }
    const window = content.slice(-windowBytes);
    ahead.push(pool.run({ kind: "piece", content, before }));
    before = window;
    if (ahead.length > pool.width) {
      const [first] = ahead.splice(0, 1);
      if (first) yield passed((await first).packed);
    }
  }
  for (const done of ahead) yield passed((await done).packed);
  if (method === 8) yield passed(endOfDeflate);
  yield entry.tail(sizes);
}

/** A last block that is empty (RFC 1951, 3.2.6). */
const endOfDeflate = new Uint8Array([3, 0]);

/** Fills a piece, as far as the file goes. Returns how far that is. */
async function readPiece(handle: FileHandle, file: TreeFile, piece: Uint8Array): Promise<number> {
  let at = 0;
  try {
    while (at < piece.length) {
      const { bytesRead } = await handle.read(piece, at, piece.length - at, null);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
  } catch (error) {
    throw failure(file, error);
  }
  return at;
}

async function openLarge(file: TreeFile, onGone: OnGone | undefined): Promise<FileHandle | undefined> {
  try {
    const handle = await open(file.path, openFlags);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    if (systemCode(error) !== "ENOENT" || !onGone) throw failure(file, error);
    onGone(file.name);
    return undefined;
  }
  throw failure(file, Object.assign(new Error(), { code: "ENOTFILE" }));
}

/** The error for a file that could not be packed. */
export function failure(file: TreeFile, error: unknown): GpuError {
  // ELOOP: a link that is not followed.
  if (!["ENOTFILE", "ELOOP"].includes(systemCode(error) ?? "")) return unreadable("file", file.path, error);
  return new GpuError(`\`${file.path}\` stopped being a file while it was packed`, { hint: "try again" });
}
