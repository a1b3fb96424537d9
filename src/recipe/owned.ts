/** What a run opened and has to close, in reverse order. Closing twice is the handles' business: they close once. */
export class Owned {
  readonly #handles: AsyncDisposable[] = [];

  add(handle: AsyncDisposable): void {
    this.#handles.push(handle);
  }

  /** Closes everything, what is opened meanwhile too, and returns what went wrong. */
  async disposeAll(): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (let handle = this.#handles.pop(); handle; handle = this.#handles.pop()) {
      try {
        await handle[Symbol.asyncDispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }
}
