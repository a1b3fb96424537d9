/** A string of the SSH wire: its length, then its bytes. */
export function wireString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([wireNumber(bytes.length), bytes]);
}

/** Four bytes, the highest first. */
export function wireNumber(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads what the two above write. Throws where the bytes are over too soon. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  string(): Buffer {
    return this.#take(this.number());
  }

  text(): string {
    return this.string().toString("utf8");
  }

  number(): number {
    return this.#take(4).readUInt32BE();
  }

  bigNumber(): bigint {
    return this.#take(8).readBigUInt64BE();
  }

  byte(): number {
    return this.#take(1).readUInt8();
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** What has not been read yet. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  /** What has been read already. */
  get before(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new Error("the bytes are cut short");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
