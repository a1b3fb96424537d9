import type { Store } from "./input-store.ts";

/** Each reader may be so many bytes behind the fastest one; then the source waits. */
const windowBytes = 4 * 2 ** 20;

/** A source that is read once and goes to many readers whole, no faster than the slowest of them takes it. */
export class SharedInput implements Disposable {
  readonly #readers = new Set<{ at: number }>();
  readonly #store: Store;
  #end = 0;
  #isOver = false;
  #isClosed = false;
  #failure: { error: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(source: AsyncIterable<Uint8Array>, store: Store) {
    this.#store = store;
    void this.#fill(source);
  }

  /** A reader that begins with the first byte. It holds the others back from now on, until it is returned from or `release`d. */
  reader(): { read(): AsyncGenerator<Uint8Array, void, undefined>; release(): void } {
    const reader = { at: 0 };
    this.#readers.add(reader);
    const release = () => {
      this.#readers.delete(reader);
      this.#forget();
      this.#change();
    };
    return { read: () => this.#read(reader, release), release };
  }

  /** Nobody reads any more, and nobody will. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#change();
  }

  async *#read(reader: { at: number }, release: () => void): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        if (reader.at < this.#end) {
          const bytes = await this.#store.read(reader.at);
          yield bytes;
          reader.at += bytes.length;
          this.#forget();
          this.#change();
        } else if (this.#failure) {
          throw this.#failure.error;
        } else if (this.#isOver) {
          return;
        } else {
          await this.#changed.promise;
        }
      }
    } finally {
      release();
    }
  }

  async #fill(source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const bytes of source) {
        await this.#store.append(bytes);
        this.#end += bytes.length;
        this.#change();
        while (this.#mustWait()) await this.#changed.promise;
        if (this.#isClosed) break;
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#isOver = true;
    this.#change();
  }

  /** Where nobody reads, somebody may still begin to. */
  #mustWait(): boolean {
    if (this.#isClosed) return false;
    return this.#readers.size === 0 || this.#slowest() + windowBytes < this.#end;
  }

  #slowest(): number {
    return Math.min(this.#end, ...[...this.#readers].map(({ at }) => at));
  }

  #forget(): void {
    this.#store.forget(this.#slowest());
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}
