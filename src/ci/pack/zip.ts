/**
 * The zip container, written front to back without knowing what comes next. Times are fixed, so the same files give the
 * same bytes. Zip64 records are written where a number does not fit, and only there.
 */
export interface ZipEntry {
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
}

interface Written extends ZipEntry {
  readonly nameBytes: Uint8Array;
  readonly offset: number;
  readonly flags: number;
  readonly method: Method;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
}

/** 0: stored, 8: deflated. */
export type Method = 0 | 8;

export interface Sizes {
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
}

const utf8Names = 0x0800;
const sizesFollow = 0x0008;
const max32 = 0xffffffff;
const max16 = 0xffff;
/** 1980-01-01 00:00, the first moment that zip knows. */
const firstDate = 0x0021;
/** Deflate may grow what it cannot shrink, so a file near 4 GiB counts as one beyond it. */
const needs64From = 0xf0000000;

export class ZipWriter {
  #offset = 0;
  readonly #written: Written[] = [];

  /** The head of an entry whose content is known: its packed bytes follow. */
  known(entry: ZipEntry, sizes: Sizes & { method: Method }): Uint8Array {
    const head = localHeader(entry.name, sizes);
    this.add(entry, { ...sizes, headBytes: head.length });
    return head;
  }

  /** Takes note of an entry that is written with the head that `localHeader` gives. */
  add({ name, mode }: ZipEntry, { headBytes, ...sizes }: Sizes & { method: Method; headBytes: number }): void {
    const nameBytes = encoder.encode(name);
    this.#written.push({ name, mode, nameBytes, offset: this.#offset, flags: utf8Names, ...sizes });
    this.#offset += headBytes + sizes.packedBytes;
  }

  /** The head of an entry whose sizes are known only after its content; `tail` gives what comes behind that. */
  open(entry: ZipEntry, { method, expectedBytes }: { method: Method; expectedBytes: number }) {
    const nameBytes = encoder.encode(entry.name);
    const flags = utf8Names | sizesFollow;
    const is64 = expectedBytes >= needs64From;
    const head = header({ nameBytes, flags, method, crc: 0, packedBytes: 0, bytes: 0, is64 });
    const offset = this.#offset;
    const tail = (sizes: Sizes): Uint8Array => {
      const descriptor = dataDescriptor(sizes, is64);
      this.#written.push({ ...entry, nameBytes, offset, flags, method, ...sizes });
      this.#offset += head.length + sizes.packedBytes + descriptor.length;
      return descriptor;
    };
    return { head, tail };
  }

  /** The directory at the end of the archive. */
  end(): Uint8Array {
    const start = this.#offset;
    const parts = this.#written.map(centralHeader);
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    return Buffer.concat([...parts, endOfDirectory({ count: this.#written.length, start, size })]);
  }
}

const encoder = new TextEncoder();

/** What stands before the packed bytes of an entry whose sizes are known, all below 4 GiB. */
export function localHeader(name: string, sizes: Sizes & { method: Method }): Uint8Array {
  return header({ nameBytes: encoder.encode(name), flags: utf8Names, ...sizes, is64: false });
}

function header(
  { nameBytes, flags, method, crc, packedBytes, bytes, is64 }: Sizes & {
    nameBytes: Uint8Array;
    flags: number;
    method: Method;
    is64: boolean;
  },
): Uint8Array {
  const head = Buffer.alloc(30 + nameBytes.length + (is64 ? 20 : 0));
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(is64 ? 45 : 20, 4);
  head.writeUInt16LE(flags, 6);
  head.writeUInt16LE(method, 8);
  head.writeUInt16LE(firstDate, 12);
  head.writeUInt32LE(crc, 14);
  head.writeUInt32LE(is64 ? max32 : packedBytes, 18);
  head.writeUInt32LE(is64 ? max32 : bytes, 22);
  head.writeUInt16LE(nameBytes.length, 26);
  head.writeUInt16LE(is64 ? 20 : 0, 28);
  head.set(nameBytes, 30);
  if (is64) {
    // The field's presence is what tells a reader that the descriptor behind the content has 8-byte sizes.
    head.writeUInt16LE(1, 30 + nameBytes.length);
    head.writeUInt16LE(16, 32 + nameBytes.length);
  }
  return head;
}

function dataDescriptor({ crc, packedBytes, bytes }: Sizes, is64: boolean): Uint8Array {
  const tail = Buffer.alloc(is64 ? 24 : 16);
  tail.writeUInt32LE(0x08074b50, 0);
  tail.writeUInt32LE(crc, 4);
  if (is64) {
    tail.writeBigUInt64LE(BigInt(packedBytes), 8);
    tail.writeBigUInt64LE(BigInt(bytes), 16);
  } else {
    tail.writeUInt32LE(packedBytes, 8);
    tail.writeUInt32LE(bytes, 12);
  }
  return tail;
}

function centralHeader(entry: Written): Uint8Array {
  const large = [entry.bytes, entry.packedBytes, entry.offset].filter((value) => value >= max32);
  const extraBytes = large.length === 0 ? 0 : 4 + 8 * large.length;
  const head = Buffer.alloc(46 + entry.nameBytes.length + extraBytes);
  head.writeUInt32LE(0x02014b50, 0);
  head.writeUInt16LE((3 << 8) | 45, 4); // Made on Unix, so the permission bits count.
  head.writeUInt16LE(extraBytes > 0 ? 45 : 20, 6);
  head.writeUInt16LE(entry.flags, 8);
  head.writeUInt16LE(entry.method, 10);
  head.writeUInt16LE(firstDate, 14);
  head.writeUInt32LE(entry.crc, 16);
  head.writeUInt32LE(Math.min(entry.packedBytes, max32), 20);
  head.writeUInt32LE(Math.min(entry.bytes, max32), 24);
  head.writeUInt16LE(entry.nameBytes.length, 28);
  head.writeUInt16LE(extraBytes, 30);
  head.writeUInt32LE(((0o100000 | entry.mode) << 16) >>> 0, 38);
  head.writeUInt32LE(Math.min(entry.offset, max32), 42);
  head.set(entry.nameBytes, 46);
  if (extraBytes > 0) {
    let at = 46 + entry.nameBytes.length;
    at = head.writeUInt16LE(1, at);
    at = head.writeUInt16LE(8 * large.length, at);
    for (const value of large) at = head.writeBigUInt64LE(BigInt(value), at);
  }
  return head;
}

function endOfDirectory({ count, start, size }: { count: number; start: number; size: number }): Uint8Array {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(count, max16), 8);
  end.writeUInt16LE(Math.min(count, max16), 10);
  end.writeUInt32LE(Math.min(size, max32), 12);
  end.writeUInt32LE(Math.min(start, max32), 16);
  if (count < max16 && start < max32 && size < max32) return end;
  const end64 = Buffer.alloc(56 + 20);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE((3 << 8) | 45, 12);
  end64.writeUInt16LE(45, 14);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(size), 40);
  end64.writeBigUInt64LE(BigInt(start), 48);
  end64.writeUInt32LE(0x07064b50, 56);
  end64.writeBigUInt64LE(BigInt(start + size), 64);
  end64.writeUInt32LE(1, 72);
  return Buffer.concat([end64, end]);
}
