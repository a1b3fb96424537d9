/** Things that happen, waiting for the one who reads them. */
export class EventQueue<T> {
  readonly #waiting: T[] = [];
  #isClosed = false;
  #news = Promise.withResolvers<void>();

  push(event: T): void {
    this.#waiting.push(event);
    this.#announce();
  }

  /** Reading ends when all that was pushed is read. */
  readonly close = (): void => {
    this.#isClosed = true;
    this.#announce();
  };

  async *items(): AsyncGenerator<T> {
    while (true) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else if (this.#isClosed) return;
      else await this.#news.promise;
    }
  }

  #announce(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
