import { GpuError } from "../errors.ts";
import type { Found } from "./listing.ts";
import type { Bytes } from "./names.ts";

/*
 * POSIX.1-1988 ustar with GNU's long names (type L and K) and GNU's binary numbers: what GNU tar, BusyBox and bsdtar all
 * read. Times are whole seconds.
 */

const blockBytes = 512;
/** The fields of a header take names that are shorter, with the zero at their end. */
const longFrom = 100;
const types = { file: "0", link: "2", folder: "5" } as const;

/** The header of one entry, with those before it that carry a long name. Its content follows, filled to whole blocks. */
export function tarHeader(path: Bytes, found: Found): Buffer {
  if (found.kind === "other") throw new GpuError("what is neither file, folder nor link cannot be sent");
  const { kind, mode, mtime, target = "" } = found;
  const name = kind === "folder" ? `${path}/` : path;
  const own = header({ name, target, mode, mtime, type: types[kind], bytes: kind === "file" ? found.bytes : 0 });
  if (name.length < longFrom && target.length < longFrom) return own;
  return Buffer.concat([...longEntry("L", name), ...longEntry("K", target), own]);
}

/** A file as a whole, for its owner alone. */
export function tarFile(path: Bytes, content: Buffer): Buffer {
  const head = tarHeader(path, { kind: "file", bytes: content.length, mode: 0o600, mtime: 0 });
  return Buffer.concat([head, content, Buffer.alloc(tarPadding(content.length))]);
}

/** Another name for a file that is there when this is unpacked; nothing else of that file changes. */
export function tarHardLink(path: Bytes, target: Bytes): Buffer {
  const own = header({ name: path, target, mode: 0o600, mtime: 0, type: "1", bytes: 0 });
  return Buffer.concat([...longEntry("L", path), ...longEntry("K", target), own]);
}

/** How many zero bytes fill a content up. */
export function tarPadding(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes;
}

/** What ends an archive. */
export const tarEnd = Buffer.alloc(2 * blockBytes);

function longEntry(type: "L" | "K", text: Bytes): Buffer[] {
  if (text.length < longFrom) return [];
  const content = Buffer.from(`${text}\0`, "latin1");
  const head = header({ name: "././@LongLink", target: "", mode: 0, mtime: 0, type, bytes: content.length });
  return [head, content, Buffer.alloc(tarPadding(content.length))];
}

interface Header {
  readonly name: Bytes;
  readonly target: Bytes;
  readonly mode: number;
  readonly mtime: number;
  readonly type: string;
  readonly bytes: number;
}

function header({ name, target, mode, mtime, type, bytes }: Header): Buffer {
  const block = Buffer.allocUnsafe(blockBytes).fill(0);
  block.write(name.slice(0, 99), 0, "latin1");
  writeNumber(block, 100, 8, mode & 0o777);
  writeNumber(block, 108, 8, 0);
  writeNumber(block, 116, 8, 0);
  writeNumber(block, 124, 12, bytes);
  writeNumber(block, 136, 12, Math.max(0, mtime));
  block.write(type, 156, "latin1");
  block.write(target.slice(0, 99), 157, "latin1");
  block.write("ustar  \0", 257, "latin1");
  // The sum is made with spaces in its own place.
  block.fill(" ", 148, 156);
  let sum = 0;
  for (let at = 0; at < blockBytes; at++) sum += block[at] ?? 0;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Octal, or where that does not fit, big-endian with the highest bit set. */
function writeNumber(block: Buffer, at: number, length: number, value: number): void {
  const octal = value.toString(8);
  if (octal.length < length) {
    block.write(`${octal.padStart(length - 1, "0")}\0`, at, "latin1");
    return;
  }
  block.writeBigUInt64BE(BigInt(value), at + length - 8);
  block[at] = 0x80;
}
