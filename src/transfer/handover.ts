/** Chunks that one side gives and the other takes: giving waits until the one before was taken. */
export class Handover implements AsyncIterable<Uint8Array> {
  #waiting: { readonly chunk: Uint8Array; taken(): void }[] = [];
  #wake = () => {};
  #end: { readonly error: unknown } | undefined;
  #isLeft = false;

  give(chunk: Uint8Array): Promise<void> | void {
    if (this.#isLeft) return;
    return new Promise((taken) => {
      this.#waiting.push({ chunk, taken });
      this.#wake();
    });
  }

  end(error: unknown): void {
    this.#end = { error };
    this.#wake();
  }

  /** Nobody takes any more. */
  leave(): void {
    this.#isLeft = true;
    for (const { taken } of this.#waiting.splice(0)) taken();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next) {
        next.taken();
        yield next.chunk;
      } else if (this.#end) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      } else {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    }
  }
}
