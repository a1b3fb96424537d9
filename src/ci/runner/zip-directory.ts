import { ArchiveError, type ArchiveFile, damaged } from "./zip-file.ts";

/** One file or folder as the archive's directory describes it: claims, to be checked while it is unpacked. */
export interface DirectoryEntry {
  readonly name: string;
  readonly mode: number;
  readonly kind: "file" | "folder" | "link" | "other";
  readonly isEncrypted: boolean;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Where its local header begins. */
  readonly offset: number;
}

/** What a local header takes before its name. */
export const localHeaderBytes = 30;

const max32 = 0xffffffff;
const maxDirectoryBytes = 128 * 2 ** 20;

/** The directory at the end of a zip archive, zip64 too, in the order in which the entries lie in the archive. */
export function readDirectory(archive: ArchiveFile, { maxEntries }: { maxEntries: number }): DirectoryEntry[] {
  const { count, start, size } = findDirectory(archive);
  if (count > maxEntries) throw tooMany(maxEntries);
  if (size > maxDirectoryBytes) throw new ArchiveError("its directory is too large");
  const directory = archive.read(start, size);
  const entries: DirectoryEntry[] = [];
  let at = 0;
  while (at + 4 <= directory.length && directory.readUInt32LE(at) === 0x02014b50) {
    if (entries.length >= maxEntries) throw tooMany(maxEntries);
    if (at + 46 > directory.length) throw damaged();
    const nameEnd = at + 46 + directory.readUInt16LE(at + 28);
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
    if (extraEnd > directory.length) throw damaged();
    entries.push(entryOf(directory.subarray(at, extraEnd), nameEnd - at));
    at = extraEnd + directory.readUInt16LE(at + 32);
  }
  // Writers without zip64 say 65,536 fewer, as often as it takes.
  if (entries.length !== count && (entries.length & 0xffff) !== count) throw damaged();
  return entries.toSorted((one, other) => one.offset - other.offset);
}

function tooMany(maxEntries: number): ArchiveError {
  return new ArchiveError(`it holds more than ${maxEntries} files`);
}

/** Where an entry's content begins: behind its local header, whose length only that header knows. */
export function contentOffset(archive: ArchiveFile, entry: DirectoryEntry): number {
  const head = archive.read(entry.offset, localHeaderBytes);
  if (head.readUInt32LE(0) !== 0x04034b50) throw damaged();
  return entry.offset + localHeaderBytes + head.readUInt16LE(26) + head.readUInt16LE(28);
}

function entryOf(head: Buffer, nameEnd: number): DirectoryEntry {
  const flags = head.readUInt16LE(8);
  const madeOnUnix = head.readUInt8(5) === 3;
  const unixMode = madeOnUnix ? head.readUInt16LE(40) : 0;
  const large = largeNumbers(head.subarray(nameEnd));
  const number = (at: number) => {
    const small = head.readUInt32LE(at);
    return small === max32 ? large() : small;
  };
  // The order in which the zip64 field holds what did not fit.
  const bytes = number(24);
  const packedBytes = number(20);
  const offset = number(42);
  return {
    name: decodeName(head.subarray(46, nameEnd)),
    mode: unixMode === 0 ? 0o644 : unixMode & 0o777,
    kind: kinds[unixMode & 0o170000] ?? "other",
    isEncrypted: (flags & 1) === 1,
    method: head.readUInt16LE(10),
    crc: head.readUInt32LE(16),
    packedBytes,
    bytes,
    offset,
  };
}

/** The type of a file in its Unix mode; 0 where the archive was made without one. */
const kinds: Readonly<Record<number, DirectoryEntry["kind"]>> = {
  0: "file",
  0o100000: "file",
  0o040000: "folder",
  0o120000: "link",
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 whether or not the entry says so: archives of today are, and a wrong accent harms less than a refusal. */
function decodeName(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return Buffer.from(bytes).toString("latin1");
  }
}

function largeNumbers(extra: Buffer): () => number {
  let at = 0;
  while (at + 4 <= extra.length) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1 && end <= extra.length) {
      let next = at + 4;
      return () => {
        if (next + 8 > end) throw damaged();
        next += 8;
        return safeNumber(extra.readBigUInt64LE(next - 8));
      };
    }
    at = end;
  }
  return () => max32;
}

function findDirectory(archive: ArchiveFile): { count: number; start: number; size: number } {
  const { size: total } = archive;
  const tailBytes = Math.min(total, 22 + 0xffff);
  const tail = archive.read(total - tailBytes, tailBytes);
  const at = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (at < 0 || at + 22 > tail.length) {
    throw new ArchiveError(total === 0 ? "it is empty" : "it is not a zip archive, or it was cut off");
  }
  const found = {
    count: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    start: tail.readUInt32LE(at + 16),
  };
  const locatorAt = at - 20;
  const has64 = locatorAt >= 0 && tail.readUInt32LE(locatorAt) === 0x07064b50;
  if (!has64) return inside(found, total);
  const record = archive.read(safeNumber(tail.readBigUInt64LE(locatorAt + 8)), 56);
  if (record.readUInt32LE(0) !== 0x06064b50) throw damaged();
  return inside({
    count: safeNumber(record.readBigUInt64LE(32)),
    size: safeNumber(record.readBigUInt64LE(40)),
    start: safeNumber(record.readBigUInt64LE(48)),
  }, total);
}

function inside<T extends { start: number; size: number }>(found: T, total: number): T {
  if (found.start + found.size > total) throw damaged();
  return found;
}

function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged();
  return Number(value);
}
