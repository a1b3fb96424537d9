import { GpuError } from "../errors.ts";
import type { Bytes } from "./names.ts";

export interface TarEntry {
  readonly path: Bytes;
  readonly type: "file" | "link" | "hard-link" | "folder" | "other";
  readonly bytes: number;
  /** Of a link. */
  readonly target: Bytes;
  /** The content of a file, where all of it is here already; whoever takes it needs not read it. */
  readonly whole: Buffer | undefined;
  /** The content of a file; what is not read of it is passed over. */
  content(): AsyncGenerator<Buffer>;
}

const blockBytes = 512;
const types: Readonly<Record<string, TarEntry["type"]>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hard-link",
  "2": "link",
  "5": "folder",
};
/** A name or a header of names that is longer is a mistake or an attack. */
const longestMeta = 2 ** 20;

/** Reads an archive of GNU tar, BusyBox or bsdtar, or several behind each other. Whoever reads checks the names. */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const bytes = new ByteQueue(chunks);
  let name: Bytes | undefined;
  let target: Bytes | undefined;
  let pax: ReadonlyMap<string, Bytes> = new Map();
  for (;;) {
    const block = bytes.takeNow(blockBytes) ?? await bytes.take(blockBytes);
    if (block === undefined) return;
    if (block[0] === 0) continue; // Between archives, and at their end.
    checkSum(block);
    const type = block.toString("latin1", 156, 157);
    const size = numberAt(block, 124, 12);
    if (type === "L" || type === "K" || type === "x" || type === "g") {
      const content = await whole(bytes, size);
      if (type === "L") name = untilZero(content);
      else if (type === "K") target = untilZero(content);
      else if (type === "x") pax = paxRecords(content);
      continue;
    }
    const length = pax.has("size") ? Number(pax.get("size")) : size;
    if (!Number.isSafeInteger(length) || length < 0) throw broken();
    const padding = (blockBytes - (length % blockBytes)) % blockBytes;
    const present = bytes.takeNow(length + padding);
    let left = present === undefined ? length : 0;
    const read = async function* () {
      if (present !== undefined) yield present.subarray(0, length);
      while (left > 0) {
        const chunk = await bytes.some(left);
        if (chunk === undefined) throw broken();
        left -= chunk.length;
        yield chunk;
      }
    };
    yield {
      path: withoutDot(pax.get("path") ?? name ?? nameOf(block)),
      type: types[type] ?? "other",
      bytes: length,
      whole: present?.subarray(0, length),
      target: pax.get("linkpath") ?? target ?? untilZero(block.subarray(157, 257)),
      content: read,
    };
    if (present === undefined) {
      for await (const _rest of read());
      if (await bytes.take(padding) === undefined) throw broken();
    }
    name = target = undefined;
    pax = new Map();
  }
}

async function whole(bytes: ByteQueue, size: number): Promise<Buffer> {
  if (size > longestMeta) throw broken();
  const content = await bytes.take(size + (blockBytes - (size % blockBytes)) % blockBytes);
  if (content === undefined) throw broken();
  return content.subarray(0, size);
}

function nameOf(block: Buffer): Bytes {
  const name = untilZero(block.subarray(0, 100));
  // GNU has other things where POSIX has the beginning of the name.
  const isPosix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isPosix ? untilZero(block.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function withoutDot(path: Bytes): Bytes {
  return path.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
}

function untilZero(field: Buffer): Bytes {
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end < 0 ? field.length : end);
}

function numberAt(block: Buffer, at: number, length: number): number {
  if ((block[at] ?? 0) & 0x80) return Number(block.readBigUInt64BE(at + length - 8));
  const text = untilZero(block.subarray(at, at + length)).trim();
  if (!/^[0-7]*$/.test(text)) throw broken();
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function checkSum(block: Buffer): void {
  let sum = 0;
  for (let at = 0; at < blockBytes; at++) sum += at >= 148 && at < 156 ? 0x20 : block[at] ?? 0;
  if (numberAt(block, 148, 8) !== sum) throw broken();
}

/** `length key=value\n`, each. */
function paxRecords(content: Buffer): Map<string, Bytes> {
  const records = new Map<string, Bytes>();
  const text = content.toString("latin1");
  for (let at = 0; at < text.length;) {
    const space = text.indexOf(" ", at);
    const length = Number(text.slice(at, space));
    if (space < 0 || !Number.isSafeInteger(length) || length < 3) throw broken();
    const record = text.slice(space + 1, at + length - 1);
    const equals = record.indexOf("=");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

function broken(): GpuError {
  return new GpuError("what `tar` sent cannot be read, or ends too early");
}

/** Bytes as they come, taken in the amounts that are needed. */
class ByteQueue {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #first: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** So many bytes, where they are here already. */
  takeNow(length: number): Buffer | undefined {
    if (this.#first.length < length) return undefined;
    const taken = this.#first.subarray(0, length);
    this.#first = this.#first.subarray(length);
    return taken;
  }

  /** At least one byte, at most so many; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    if (this.#first.length === 0 && !(await this.#more())) return undefined;
    const taken = this.#first.subarray(0, most);
    this.#first = this.#first.subarray(taken.length);
    return taken;
  }

  /** So many bytes; undefined where there are no more, or not as many. */
  async take(length: number): Promise<Buffer | undefined> {
    const present = this.takeNow(length);
    if (present !== undefined) return present;
    const parts: Buffer[] = [];
    for (let left = length; left > 0;) {
      const part = await this.some(left);
      if (part === undefined) return undefined;
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done) return false;
      if (value.length === 0) continue;
      this.#first = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      return true;
    }
  }
}
