/** SFTP version 3, as in draft-ietf-secsh-filexfer-02: what both sides of it write and read. */

import { GpuError } from "../../errors.ts";

export const requests = {
  init: 1,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  extended: 200,
} as const;

export const replies = {
  version: 2,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attributes: 105,
  extended: 201,
} as const;

export const statusCodes = {
  ok: 0,
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const;

export type Status = keyof typeof statusCodes;

/** A longer packet is a mistake or an attack; OpenSSH has the same limit. */
export const longestPacket = 256 * 1024;

const attributeFlags = { size: 1, owner: 2, mode: 4, times: 8, extended: 0x8000_0000 } as const;

/** What a client sets of a file, or is told of it. Times are in seconds since 1970. */
export interface Attributes {
  readonly size?: number | undefined;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly mode?: number | undefined;
  readonly times?: { readonly atime: number; readonly mtime: number } | undefined;
}

/** An entry of a folder. */
export interface Name {
  readonly name: Buffer;
  /** As `ls -l` would print it. */
  readonly longName: string;
  readonly attributes: Attributes;
}

/** The other side broke the protocol: the session is ended. */
export class MalformedPacket extends GpuError {
  override name = "MalformedPacket";

  constructor(readonly what: string) {
    super(`the other side breaks the rules of SFTP: ${what}`);
  }
}

/** Reads the fields of one packet, in order. */
export class PacketReader {
  #at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#take(1).readUInt8();
  }

  uint32(): number {
    return this.#take(4).readUInt32BE();
  }

  uint64(): number {
    const value = Number(this.#take(8).readBigUInt64BE());
    if (!Number.isSafeInteger(value)) throw new MalformedPacket("a number beyond 2^53");
    return value;
  }

  bytes(): Buffer {
    return this.#take(this.uint32());
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  text(): string {
    return this.bytes().toString("utf8");
  }

  attributes(): Attributes {
    const flags = this.uint32();
    const known = {
      size: flags & attributeFlags.size ? this.uint64() : undefined,
      owner: flags & attributeFlags.owner ? { uid: this.uint32(), gid: this.uint32() } : undefined,
      mode: flags & attributeFlags.mode ? this.uint32() : undefined,
      times: flags & attributeFlags.times ? { atime: this.uint32(), mtime: this.uint32() } : undefined,
    };
    if (flags & attributeFlags.extended) { for (let left = this.uint32(); left > 0; left--) this.#skipPair(); }
    return known;
  }

  #skipPair(): void {
    this.bytes();
    this.bytes();
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new MalformedPacket("a packet that ends too early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

export function attributeFields({ size, owner, mode, times }: Attributes): Buffer {
  const flags = (size === undefined ? 0 : attributeFlags.size) | (owner ? attributeFlags.owner : 0) |
    (mode === undefined ? 0 : attributeFlags.mode) | (times ? attributeFlags.times : 0);
  return Buffer.concat([
    uint32(flags),
    ...(size === undefined ? [] : [uint64(size)]),
    ...(owner ? [uint32(owner.uid), uint32(owner.gid)] : []),
    ...(mode === undefined ? [] : [uint32(mode)]),
    ...(times ? [uint32(times.atime), uint32(times.mtime)] : []),
  ]);
}

export function packet(type: number, ...fields: Buffer[]): Buffer {
  const length = fields.reduce((sum, field) => sum + field.length, 1);
  return Buffer.concat([uint32(length), Buffer.of(type), ...fields], length + 4);
}

export function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function uint64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
