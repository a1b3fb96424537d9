import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { platform as currentPlatform } from "node:os";
import { dirname, join } from "node:path";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { systemCode } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import {
  defaultLimits,
  type ExtractLimits,
  refuseOverlaps,
  refuseTooMuch,
  safeParts,
  shownName,
  Spellings,
} from "./extract-checks.ts";
import { ArchiveError, contentOffset, type DirectoryEntry, readDirectory, readExactly } from "./zip-directory.ts";

const pieceBytes = 2 ** 20;
/** An entry up to this size is unpacked at once: most are small, and a stream each costs more than they do. */
const wholeUpTo = 2 ** 20;

export interface ExtractOptions {
  readonly limits?: ExtractLimits;
  readonly signal?: AbortSignal;
  /** Decides which names are one and which are none. */
  readonly platform?: NodeJS.Platform;
}

/**
 * Unpacks an archive into an empty folder, or throws an `ArchiveError`. Refused: names that leave it, links and devices,
 * one name twice (also where the file system takes two spellings for one), entries that share bytes, more than the
 * limits, what is encrypted, cut off or does not match its checksum. Nothing is written outside of the folder.
 */
export async function extract(
  archive: string,
  folder: string,
  { limits = defaultLimits, signal, platform = currentPlatform() }: ExtractOptions = {},
): Promise<void> {
  await using handle = await open(archive, "r");
  const entries = await readDirectory(handle, { maxEntries: limits.entries });
  refuseTooMuch(entries, limits, (await handle.stat()).size);
  refuseOverlaps(entries);
  const spellings = new Spellings(platform);
  const made = new Set<string>();
  for (const entry of entries) {
    signal?.throwIfAborted();
    const parts = safeParts(entry, platform);
    if (parts.length === 0) continue;
    spellings.add(parts, entry);
    const path = join(folder, ...parts);
    const isFolder = entry.name.endsWith("/") || entry.kind === "folder";
    const parent = isFolder ? path : dirname(path);
    if (!made.has(parent)) await makeFolder(parent, entry);
    made.add(parent);
    if (isFolder) continue;
    if (Math.max(entry.bytes, entry.packedBytes) <= wholeUpTo) await writeWholeEntry(handle, { entry, path });
    else await writeEntry(handle, { entry, path, signal });
  }
}

async function makeFolder(path: string, entry: DirectoryEntry): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new ArchiveError(`the folder of ${shownName(entry)} cannot be made: ${reasonOf(error)}`);
  }
}

async function writeWholeEntry(
  archive: FileHandle,
  { entry, path }: { entry: DirectoryEntry; path: string },
): Promise<void> {
  const packed = await readExactly(archive, await contentOffset(archive, entry), entry.packedBytes);
  const content = entry.method === 8 ? inflateWhole(packed, entry) : packed;
  if (content.length !== entry.bytes || crc32(content) !== entry.crc) {
    throw new ArchiveError(`${shownName(entry)} is damaged`);
  }
  try {
    writeFileSync(path, content, { flag: "wx", mode: 0o600 | entry.mode });
  } catch (error) {
    throw notWritten(entry, error);
  }
}

function inflateWhole(packed: Uint8Array, entry: DirectoryEntry): Uint8Array {
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(entry.bytes, 1) });
  } catch {
    throw new ArchiveError(`${shownName(entry)} is damaged, or larger than it says`);
  }
}

async function writeEntry(
  archive: FileHandle,
  { entry, path, signal }: { entry: DirectoryEntry; path: string; signal?: AbortSignal },
): Promise<void> {
  const shown = shownName(entry);
  // `wx` never opens what is there already.
  const file = await open(path, "wx", 0o600 | entry.mode).catch((error) => {
    throw notWritten(entry, error);
  });
  try {
    let bytes = 0;
    let crc = 0;
    const packed = contentOf(archive, entry);
    for await (const part of entry.method === 8 ? inflate(packed, shown) : packed) {
      signal?.throwIfAborted();
      bytes += part.length;
      if (bytes > entry.bytes) throw new ArchiveError(`${shown} is larger than it says`);
      crc = crc32(part, crc);
      await writeAll(file, part, entry);
    }
    if (bytes !== entry.bytes || crc !== entry.crc) throw new ArchiveError(`${shown} is damaged`);
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, part: Uint8Array, entry: DirectoryEntry): Promise<void> {
  try {
    for (let at = 0; at < part.length;) at += (await file.write(part, at)).bytesWritten;
  } catch (error) {
    throw notWritten(entry, error);
  }
}

function notWritten(entry: DirectoryEntry, error: unknown): ArchiveError {
  const reason = systemCode(error) === "EEXIST" ? "is there twice" : `cannot be written: ${reasonOf(error)}`;
  return new ArchiveError(`${shownName(entry)} ${reason}`);
}

async function* contentOf(archive: FileHandle, entry: DirectoryEntry): AsyncGenerator<Uint8Array> {
  const start = await contentOffset(archive, entry);
  for (let at = 0; at < entry.packedBytes;) {
    const piece = new Uint8Array(Math.min(pieceBytes, entry.packedBytes - at));
    const { bytesRead } = await archive.read(piece, 0, piece.length, start + at);
    if (bytesRead === 0) throw new ArchiveError(`${shownName(entry)} was cut off`);
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

/** What was deflated, a piece at a time, however much one piece grows to. */
async function* inflate(packed: AsyncIterable<Uint8Array>, shown: string): AsyncGenerator<Uint8Array> {
  const stream = createInflateRaw();
  const failed = new AbortController();
  const feed = async () => {
    for await (const part of packed) {
      if (!stream.write(part)) await once(stream, "drain", { signal: failed.signal });
    }
    stream.end();
  };
  const fed = feed().catch((error) => void stream.destroy(error));
  try {
    for await (const part of stream) yield part;
  } catch (error) {
    throw error instanceof ArchiveError ? error : new ArchiveError(`${shown} is damaged`);
  } finally {
    failed.abort();
    stream.destroy();
    await fed;
  }
}
