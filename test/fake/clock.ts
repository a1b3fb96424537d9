import type { Clock } from "../../src/world.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/**
 * A clock whose time only tests move. `auto`: as soon as all that runs is waiting, it jumps to the next sleeper, so
 * an hour of polling takes no time. Real sockets and processes do not hold an automatic clock back: use `manual` there.
 */
export class FakeClock implements Clock {
  #now: number;
  readonly #mode: "auto" | "manual";
  #sleepers: Sleeper[] = [];
  /** Every pause that was asked for, in order. */
  readonly pauses: number[] = [];
  #isJumping = false;

  constructor({ now = Date.UTC(2026, 0, 1), mode = "auto" }: { now?: number; mode?: "auto" | "manual" } = {}) {
    this.#now = now;
    this.#mode = mode;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  /** How many wait for a time to come. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.pauses.push(ms);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      const wake = () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const sleeper = { at: this.#now + Math.max(0, ms), wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", stop, { once: true });
      if (this.#mode === "auto") this.#jumpSoon();
    });
  }

  /** Moves time on, waking on the way all whose time has come, each with what it starts. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while (this.#wakeNext(end)) await settled();
    this.#now = end;
  }

  /** Moves on to the end of the next pause, where that is no further than `upTo` away. Returns whether there was one. */
  next({ upTo }: { upTo: number }): boolean {
    return this.#wakeNext(this.#now + upTo);
  }

  /**
   * Lets work that has real sockets and processes go on until it is done: each pause up to `upTo` ends as soon as
   * everything seems to wait for one; a longer one is a watch for something that is not to happen.
   */
  async run<T>(work: Promise<T>, { upTo = 30_000 - 1 }: { upTo?: number } = {}): Promise<T> {
    let isDone = false;
    const watched = work.finally(() => isDone = true);
    watched.catch(() => {});
    while (!isDone) {
      for (let turn = 0; turn < 5 && !isDone; turn++) await settled();
      if (!isDone && !this.next({ upTo })) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return await watched;
  }

  #jumpSoon(): void {
    if (this.#isJumping) return;
    this.#isJumping = true;
    setImmediate(() => {
      this.#isJumping = false;
      this.#wakeNext(Infinity);
      if (this.#sleepers.length > 0) this.#jumpSoon();
    });
  }

  #wakeNext(until: number): boolean {
    const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0];
    if (next === undefined || next.at > until) return false;
    this.#sleepers = this.#sleepers.filter((other) => other !== next);
    this.#now = Math.max(this.#now, next.at);
    next.wake();
    return true;
  }
}

/** Everything that can go on without time passing has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
