import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
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
import { Turns } from "../turn.ts";
import { contentOffset, type DirectoryEntry, readDirectory } from "./zip-directory.ts";
import { ArchiveError, ArchiveFile } from "./zip-file.ts";

const pieceBytes = 2 ** 20;
/** An entry up to this size is unpacked at once: most are small, and a stream each costs more than they do. */
const wholeUpTo = 2 ** 20;

export interface ExtractOptions {
  readonly limits?: ExtractLimits;
  readonly signal?: AbortSignal;
  /** Decides which names are one and which are none. */
  readonly platform?: NodeJS.Platform;
}

/** A signal is heard after so many entries. */
const steps = 20;

/**
 * Unpacks an archive into an empty folder, or throws an `ArchiveError`. Refused: names that leave it, links and devices,
 * one name twice (also where the file system takes two spellings for one), entries that share bytes, more than the
 * limits, what is encrypted, cut off or does not match its checksum. Nothing is written outside of the folder, and
 * nothing at all before every name was looked at.
 */
export async function extract(
  path: string,
  folder: string,
  { limits = defaultLimits, signal, platform = currentPlatform() }: ExtractOptions = {},
): Promise<void> {
  using archive = new ArchiveFile(path);
  const entries = readDirectory(archive, { maxEntries: limits.entries });
  refuseTooMuch(entries, limits, archive.size);
  refuseOverlaps(entries);
  const placed = placesOf(entries, { limits, platform });
  const made = new Set<string>();
  const turns = new Turns({ steps });
  for (const { entry, parts } of placed) {
    await turns.step();
    signal?.throwIfAborted();
    const path = join(folder, ...parts);
    const isFolder = entry.name.endsWith("/") || entry.kind === "folder";
    const parent = isFolder ? path : dirname(path);
    if (!made.has(parent)) makeFolder(parent, entry);
    made.add(parent);
    if (isFolder) continue;
    if (Math.max(entry.bytes, entry.packedBytes) <= wholeUpTo) writeWholeEntry(archive, { entry, path });
    else await writeEntry(archive, { entry, path, signal });
  }
}

interface Placed {
  readonly entry: DirectoryEntry;
  /** Of its path below the folder. */
  readonly parts: readonly string[];
}

function placesOf(
  entries: readonly DirectoryEntry[],
  { limits, platform }: { limits: ExtractLimits; platform: NodeJS.Platform },
): Placed[] {
  const spellings = new Spellings(platform);
  return entries.flatMap((entry) => {
    const parts = safeParts(entry, platform);
    spellings.add(parts, entry);
    // Folders that stand in no entry of their own cost as much as others.
    if (spellings.count > limits.entries * 2) throw new ArchiveError(`it holds more than ${limits.entries} folders`);
    return parts.length === 0 ? [] : [{ entry, parts }];
  });
}

function makeFolder(path: string, entry: DirectoryEntry): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new ArchiveError(`the folder of ${shownName(entry)} cannot be made: ${reasonOf(error)}`);
  }
}

function writeWholeEntry(archive: ArchiveFile, { entry, path }: { entry: DirectoryEntry; path: string }): void {
  const packed = archive.read(contentOffset(archive, entry), entry.packedBytes);
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
  archive: ArchiveFile,
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

function* contentOf(archive: ArchiveFile, entry: DirectoryEntry): Generator<Uint8Array> {
  const start = contentOffset(archive, entry);
  for (let at = 0; at < entry.packedBytes; at += pieceBytes) {
    // A copy: it is unpacked while the next one is read.
    yield Uint8Array.from(archive.read(start + at, Math.min(pieceBytes, entry.packedBytes - at)));
  }
}

/** What was deflated, a piece at a time, however much one piece grows to. */
async function* inflate(packed: Iterable<Uint8Array>, shown: string): AsyncGenerator<Uint8Array> {
  const stream = createInflateRaw();
  const failed = new AbortController();
  const feed = async () => {
    for (const part of packed) {
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
