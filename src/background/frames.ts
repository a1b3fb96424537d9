/*
 * What is said over the control socket where bytes travel: frames, each a kind (one byte), the length of what follows
 * (four bytes, big-endian), and that. Such a conversation begins with the preface, which no JSON begins with; whoever
 * does not know it hangs up. Both sides hold back what is not acknowledged: see streams.ts.
 */

/** The first bytes of such a conversation; the second grows when a frame changes its meaning. */
export const preface: Uint8Array = Uint8Array.of(0, 1);

export const frameKinds = {
  /** JSON: what is wanted. The first frame, from who asks. */
  open: 1,
  /** JSON: it is not done here; whoever asked does it itself. Nothing was done, written or read. */
  decline: 2,
  /** A stream (one byte) and some of its bytes. */
  data: 3,
  /** A stream has ended. */
  end: 4,
  /** A stream and how many of its bytes were consumed (four bytes). */
  ack: 5,
  /** Stdin is wanted: a byte, 1 where the terminal is to send single keys, 2 where it also writes all as it is. */
  read: 6,
  /** No more of stdin is wanted for now. */
  halt: 7,
  /** The name of a signal. */
  signal: 8,
  /** Columns and rows of the terminal, two bytes each. */
  resize: 9,
  /** Nobody reads a stream any more. */
  unread: 10,
  /** JSON: how it ended. The last frame. */
  done: 11,
  /** It is done here. From now on an end without `done` means that nobody knows how far it came. */
  accept: 12,
} as const;

export type FrameKind = typeof frameKinds[keyof typeof frameKinds];

/** Standard input, output and errors, as everywhere. */
export const streams = { stdin: 0, stdout: 1, stderr: 2 } as const;

export type StreamNumber = typeof streams[keyof typeof streams];

/** The longest a frame can be: environments and command lines are far below. */
const frameBytesMax = 4 * 1024 * 1024;

const headerBytes = 5;

export interface Frame {
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** Sends frames; what it is handed is on its way, or nobody is there any more. The payload is its parts, joined. */
export type Send = (kind: FrameKind, ...payload: Uint8Array[]) => void;

export function encodeFrame(kind: FrameKind, ...payload: Uint8Array[]): Uint8Array {
  const length = payload.reduce((sum, part) => sum + part.length, 0);
  const frame = new Uint8Array(headerBytes + length);
  frame[0] = kind;
  new DataView(frame.buffer).setUint32(1, length);
  let at = headerBytes;
  for (const part of payload) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** Takes bytes as they come and gives whole frames. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #length = 0;
  /** How many bytes there must be before it is worth looking at them. */
  #wanted = headerBytes;

  /** The frames that are whole now. Their bytes are copies. Throws at what is no frame. */
  push(chunk: Uint8Array): Frame[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#wanted) return [];
    this.#wanted = headerBytes;
    let bytes = this.#joined();
    const frames: Frame[] = [];
    while (bytes.length >= headerBytes) {
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
      if (length > frameBytesMax) throw new Error("a frame is too long");
      this.#wanted = headerBytes + length;
      if (bytes.length < this.#wanted) break;
      this.#wanted = headerBytes;
      frames.push({ kind: bytes[0] ?? 0, payload: bytes.slice(headerBytes, headerBytes + length) });
      bytes = bytes.subarray(headerBytes + length);
    }
    this.#chunks = bytes.length > 0 ? [bytes.slice()] : [];
    this.#length = bytes.length;
    return frames;
  }

  #joined(): Uint8Array {
    const [only] = this.#chunks;
    if (only !== undefined && this.#chunks.length === 1) return only;
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    return joined;
  }
}

export function jsonPayload(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function readJson(payload: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(payload));
}

export function ackPayload(stream: StreamNumber, byteCount: number): Uint8Array {
  const payload = new Uint8Array(5);
  payload[0] = stream;
  new DataView(payload.buffer).setUint32(1, byteCount);
  return payload;
}

export function readAck(payload: Uint8Array): { stream: number; byteCount: number } {
  if (payload.length !== 5) throw new Error("an acknowledgement is five bytes");
  return { stream: payload[0] ?? 0, byteCount: new DataView(payload.buffer, payload.byteOffset).getUint32(1) };
}

export function rawPayload(raw: boolean | "both"): Uint8Array {
  return Uint8Array.of(raw === "both" ? 2 : raw ? 1 : 0);
}

export function readRaw([raw]: Uint8Array): boolean | "both" {
  return raw === 2 ? "both" : raw === 1;
}

export function sizePayload({ columns, rows }: { columns: number; rows: number }): Uint8Array {
  const payload = new Uint8Array(4);
  const view = new DataView(payload.buffer);
  view.setUint16(0, Math.min(columns, 0xffff));
  view.setUint16(2, Math.min(rows, 0xffff));
  return payload;
}

export function readSize(payload: Uint8Array): { columns: number; rows: number } {
  if (payload.length !== 4) throw new Error("a size is four bytes");
  const view = new DataView(payload.buffer, payload.byteOffset);
  return { columns: view.getUint16(0), rows: view.getUint16(2) };
}
