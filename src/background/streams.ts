import { ackPayload, frameKinds, type Send, type StreamNumber } from "./frames.ts";

/** How many bytes of a stream may be on their way: enough that nobody waits, and all the memory that it takes. */
const windowBytes = 1024 * 1024;
const frameBytes = 64 * 1024;

/** One stream of bytes as it is sent. */
export class Outflow {
  readonly #send: Send;
  readonly #stream: StreamNumber;
  #inFlight = 0;
  #end: Error | undefined;
  #wake: (() => void)[] = [];

  constructor(send: Send, stream: StreamNumber) {
    this.#send = send;
    this.#stream = stream;
  }

  /** Resolves once there is room for more. Rejects with the reason where nobody reads it any more. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += frameBytes) {
      if (this.#end) throw this.#end;
      const part = bytes.subarray(at, at + frameBytes);
      this.#inFlight += part.length;
      this.#send(frameKinds.data, Uint8Array.of(this.#stream), part);
      while (this.#inFlight > windowBytes && !this.#end) {
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    }
    if (this.#end) throw this.#end;
  }

  end(): void {
    this.#send(frameKinds.end, Uint8Array.of(this.#stream));
  }

  acknowledge(byteCount: number): void {
    this.#inFlight -= byteCount;
    if (this.#inFlight <= windowBytes) this.#wakeAll();
  }

  /** Nobody reads it any more. */
  fail(error: Error): void {
    this.#end ??= error;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** One stream of bytes as it arrives. What is taken is acknowledged when the next is asked for. */
export class Inflow {
  readonly #send: Send;
  readonly #stream: StreamNumber;
  #waiting: Uint8Array[] = [];
  #bytesWaiting = 0;
  #isOver = false;
  #wake = () => {};

  constructor(send: Send, stream: StreamNumber) {
    this.#send = send;
    this.#stream = stream;
  }

  /** Throws where the other side sends more than it may. */
  push(bytes: Uint8Array): void {
    this.#bytesWaiting += bytes.length;
    if (this.#bytesWaiting > windowBytes + frameBytes) throw new Error("more was sent than there is room for");
    this.#waiting.push(bytes);
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  get isOver(): boolean {
    return this.#isOver && this.#waiting.length === 0;
  }

  /** The bytes, until the stream ends or the signal fires; what was not taken stays for the next reader. */
  async *read(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const wake = () => this.#wake();
    signal?.addEventListener("abort", wake);
    try {
      while (!signal?.aborted) {
        const bytes = this.#waiting.shift();
        if (bytes) {
          try {
            yield bytes;
          } finally {
            this.#bytesWaiting -= bytes.length;
            this.#send(frameKinds.ack, ackPayload(this.#stream, bytes.length));
          }
        } else if (this.#isOver) return;
        else await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }
}
