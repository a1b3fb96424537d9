import { longestPacket, MalformedPacket } from "./wire.ts";

/** Cuts a stream of bytes into packets without their length, and never holds more than one of them. */
export class PacketSplitter {
  readonly #head = Buffer.alloc(4);
  #headLength = 0;
  #packet: Buffer | undefined;
  #filled = 0;

  /** The packets that end in this chunk. What they hold may be part of it. */
  *push(chunk: Buffer): Generator<Buffer> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#packet === undefined) {
        const taken = Math.min(4 - this.#headLength, chunk.length - at);
        chunk.copy(this.#head, this.#headLength, at, at + taken);
        this.#headLength += taken;
        at += taken;
        if (this.#headLength < 4) return;
        this.#headLength = 0;
        const length = this.#head.readUInt32BE();
        if (length === 0 || length > longestPacket) throw new MalformedPacket(`a packet of ${length} bytes`);
        if (chunk.length - at >= length) {
          yield chunk.subarray(at, at + length);
          at += length;
          continue;
        }
        this.#packet = Buffer.allocUnsafe(length);
        this.#filled = 0;
      }
      const taken = Math.min(this.#packet.length - this.#filled, chunk.length - at);
      chunk.copy(this.#packet, this.#filled, at, at + taken);
      this.#filled += taken;
      at += taken;
      if (this.#filled < this.#packet.length) return;
      const whole = this.#packet;
      this.#packet = undefined;
      yield whole;
    }
  }
}
