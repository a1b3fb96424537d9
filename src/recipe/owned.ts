/** What a run opened and has to close, in reverse order. What is disposed of before is forgotten. */
export class Owned {
  readonly #handles = new Set<AsyncDisposable>();

  /** Returns what forgets it. */
  add(handle: AsyncDisposable): () => void {
    const forget = () => void this.#handles.delete(handle);
    const dispose = handle[Symbol.asyncDispose].bind(handle);
    // A frozen handle keeps its own, and stays here until the end.
    Reflect.defineProperty(handle, Symbol.asyncDispose, {
      configurable: true,
      writable: true,
      // Where closing fails it is tried again at the end.
      value: async () => {
        await dispose();
        forget();
      },
    });
    this.#handles.add(handle);
    return forget;
  }

  /** Closes everything, what is opened meanwhile too, and returns what went wrong. */
  async disposeAll(): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (let handle = this.#takeLast(); handle; handle = this.#takeLast()) {
      try {
        await handle[Symbol.asyncDispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }

  /** How many are open. */
  get size(): number {
    return this.#handles.size;
  }

  #takeLast(): AsyncDisposable | undefined {
    const last = [...this.#handles].at(-1);
    if (last !== undefined) this.#handles.delete(last);
    return last;
  }
}
