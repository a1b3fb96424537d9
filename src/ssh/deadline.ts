import type { Clock } from "../world.ts";

/** What took no longer than this took nobody's time. */
const shortMs = 500;

/** A moment at which a signal fires, and which waits for people. */
export class Deadline implements AsyncDisposable {
  /** Fires when the time is up, or with the outer signal. */
  readonly signal: AbortSignal;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  readonly #passing: Promise<void>;
  #isOver = false;
  /** What a person is taking time for now. */
  readonly #suspended = new Set<Promise<unknown>>();
  #isRenewed = false;

  constructor(clock: Clock, timeoutMs: number, outer: AbortSignal | undefined) {
    this.#clock = clock;
    this.signal = AbortSignal.any([this.#over.signal, ...(outer ? [outer] : [])]);
    this.#passing = this.#pass(timeoutMs).catch(() => {});
  }

  /** Whether the time was up. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Does something for which the time stands still; where it took a while there is as much afterwards as in the beginning. */
  async suspend<T>(work: () => Promise<T>): Promise<T> {
    const working = this.#timed(work);
    const settled = working.catch(() => {});
    this.#suspended.add(settled);
    try {
      return await working;
    } finally {
      this.#suspended.delete(settled);
    }
  }

  async #timed<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = this.#clock.monotonic();
    try {
      return await work();
    } finally {
      if (this.#clock.monotonic() - startedAt > shortMs) this.#isRenewed = true;
    }
  }

  async [Symbol.asyncDispose]() {
    this.#over.abort();
    await this.#passing;
  }

  async #pass(timeoutMs: number): Promise<void> {
    do {
      this.#isRenewed = false;
      await this.#clock.sleep(timeoutMs, this.signal);
      await Promise.all(this.#suspended);
    } while (this.#isRenewed);
    this.#isOver = true;
    this.#over.abort(new Error("too late"));
  }
}
