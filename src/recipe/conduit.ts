/** Thrown where something is written that nobody will read any more, as a closed pipe does it. */
export class ReaderGone extends Error {
  override name = "ReaderGone";
  override message = "what reads has ended";
}

/** So many bytes may wait between two commands: enough that neither waits for each piece, little beside a process. */
const roomBytes = 512 * 2 ** 10;

/** What one command prints on its way to what reads it, in bounded memory: a writer waits for its reader. */
export class Conduit implements AsyncIterable<Uint8Array> {
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #end: { readonly error?: unknown } | undefined;
  #isGone = false;
  #wakeReader = () => {};
  #wakeWriter = () => {};

  /** Resolves when there is room again; rejects with `ReaderGone` when nobody reads any more. */
  async write(chunk: Uint8Array): Promise<void> {
    if (!this.#isGone) {
      this.#waiting.push(chunk);
      this.#bytes += chunk.length;
      this.#wakeReader();
    }
    while (this.#bytes > roomBytes && !this.#isGone) await new Promise<void>((wake) => this.#wakeWriter = wake);
    if (this.#isGone) throw new ReaderGone();
  }

  /** No more comes; with an error, the reader gets that instead of an end. */
  end(outcome: { readonly error?: unknown } = {}): void {
    this.#end ??= outcome;
    this.#wakeReader();
  }

  /** Nobody reads any more. */
  leave(): void {
    this.#isGone = true;
    this.#waiting = [];
    this.#bytes = 0;
    this.#wakeWriter();
    this.end();
  }

  // Not a generator: one that waits for its next piece cannot be told that nobody wants it.
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, void, undefined> {
    return {
      next: async () => {
        const chunk = await this.#take();
        return chunk === undefined ? { done: true, value: undefined } : { done: false, value: chunk };
      },
      return: () => {
        this.leave();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  async #take(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#waiting.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.length;
        if (this.#bytes <= roomBytes) this.#wakeWriter();
        return chunk;
      }
      if (this.#end !== undefined && "error" in this.#end) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      await new Promise<void>((wake) => this.#wakeReader = wake);
    }
  }
}
