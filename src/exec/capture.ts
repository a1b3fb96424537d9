import { isUtf8 } from "node:buffer";

/** Room for output that all machines of a command share. */
export class Room {
  #leftBytes: number;

  constructor(byteCount: number) {
    this.#leftBytes = byteCount;
  }

  /** How many of these bytes may be kept. */
  take(byteCount: number): number {
    const taken = Math.min(byteCount, this.#leftBytes);
    this.#leftBytes -= taken;
    return taken;
  }

  giveBack(byteCount: number): void {
    this.#leftBytes += byteCount;
  }
}

/** Output as a program gets it. */
export interface Captured {
  readonly stdout: string;
  readonly stderr: string;
  readonly encoding: "utf8" | "base64";
  readonly truncated: boolean;
}

/** What went somewhere else. */
export const nothingCaptured: Captured = { stdout: "", stderr: "", encoding: "utf8", truncated: false };

/** The output of one command, kept as far as there is room. */
export class Capture {
  readonly #room: Room;
  readonly #kept = { stdout: new Chunks(), stderr: new Chunks() };
  #isTruncated = false;

  constructor(room: Room) {
    this.#room = room;
  }

  add(stream: "stdout" | "stderr", chunk: Uint8Array): void {
    const taken = this.#room.take(chunk.length);
    if (taken < chunk.length) this.#isTruncated = true;
    if (taken > 0) this.#kept[stream].add(chunk.subarray(0, taken));
  }

  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  bytes(stream: "stdout" | "stderr"): Buffer {
    return this.#kept[stream].joined();
  }

  text(): Captured {
    const [stdout, stderr] = [this.bytes("stdout"), this.bytes("stderr")];
    // Where it was cut a character may be half: that makes no binary of it.
    const isText = isUtf8(this.#isTruncated ? wholeCharacters(stdout) : stdout) &&
      isUtf8(this.#isTruncated ? wholeCharacters(stderr) : stderr);
    const encoding = isText ? "utf8" : "base64";
    return {
      stdout: stdout.toString(encoding),
      stderr: stderr.toString(encoding),
      encoding,
      truncated: this.#isTruncated,
    };
  }

  /** Lets go of all that was kept. */
  release(): void {
    for (const chunks of [this.#kept.stdout, this.#kept.stderr]) this.#room.giveBack(chunks.clear());
  }
}

/** A chunk is often a small view of a large packet: so many bytes are copied together. */
const blockBytes = 64 * 1024;

class Chunks {
  #blocks: Buffer[] = [];
  #used = 0;
  #total = 0;

  add(chunk: Uint8Array): void {
    this.#total += chunk.length;
    for (let at = 0; at < chunk.length;) {
      let block = this.#blocks.at(-1);
      if (block === undefined || this.#used === block.length) {
        // Small output gets a small block.
        block = Buffer.allocUnsafeSlow(this.#blocks.length === 0 ? Math.max(512, chunk.length) : blockBytes);
        this.#blocks.push(block);
        this.#used = 0;
      }
      const piece = chunk.subarray(at, at + block.length - this.#used);
      block.set(piece, this.#used);
      this.#used += piece.length;
      at += piece.length;
    }
  }

  joined(): Buffer {
    const last = this.#blocks.at(-1);
    if (last === undefined) return Buffer.alloc(0);
    const used = last.subarray(0, this.#used);
    const all = this.#blocks.length === 1 ? used : Buffer.concat([...this.#blocks.slice(0, -1), used]);
    // Not kept twice.
    this.#blocks = [all];
    this.#used = all.length;
    return all;
  }

  /** How many bytes were kept. */
  clear(): number {
    const total = this.#total;
    this.#blocks = [];
    this.#used = this.#total = 0;
    return total;
  }
}

/** All but a character at the end that is not complete. */
export function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
