import { type Duration, durationMs } from "../../duration.ts";

interface Sleeper {
  /** Counted from when the clock was made, in its own milliseconds. */
  readonly until: number;
  readonly ms: number;
  readonly wake: () => void;
}

/**
 * A clock for `testRecipe`: it goes as the real one does, since real machines and connections take real time, and it
 * jumps when a test says so. Sleeps, polls, boots, leases and bills of the recipe's run go by it.
 *
 * ```ts
 * const clock = new TestClock();
 * const trial = testRecipe(nightly, { clock });
 * await clock.skip("10m"); // the pause between two looks
 * expect((await trial).result).toEqual({ looks: 2 });
 * ```
 */
export class TestClock {
  readonly #startedAt = Date.now();
  readonly #begin = performance.now();
  #skippedMs = 0;
  readonly #sleepers = new Set<Sleeper>();
  readonly #watchers = new Set<() => void>();

  /** Milliseconds since 1970. */
  now(): number {
    return this.#startedAt + Math.round(this.monotonic());
  }

  /** Milliseconds since the clock was made, with fractions. */
  monotonic(): number {
    return performance.now() - this.#begin + this.#skippedMs;
  }

  /** Resolves after `ms` milliseconds of this clock; rejects with the signal's reason as soon as it fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper: Sleeper = { until: this.monotonic() + Math.max(0, ms), ms, wake: () => done(resolve) };
    const done = (settle: () => void) => {
      clearTimeout(timer);
      this.#sleepers.delete(sleeper);
      signal?.removeEventListener("abort", stop);
      settle();
    };
    const stop = () => done(() => reject(signal?.reason));
    // What sleeps longer than a timer can is woken by `advance` alone: no test takes that long.
    const timer = setTimeout(sleeper.wake, Math.min(Math.max(0, ms), 2 ** 31 - 1));
    signal?.addEventListener("abort", stop, { once: true });
    this.#sleepers.add(sleeper);
    for (const watcher of [...this.#watchers]) watcher();
    return promise;
  }

  /**
   * Moves time on: whoever sleeps no longer than that wakes, in the order of their time, and finds the clock there.
   *
   * ```ts
   * await clock.advance("2h"); // the lease is over
   * ```
   */
  async advance(duration: Duration): Promise<void> {
    const end = this.monotonic() + durationMs(duration);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = [...this.#sleepers].filter(({ until }) => until <= end).toSorted((a, b) => a.until - b.until)[0];
      if (next === undefined) break;
      this.#moveTo(next.until);
      next.wake();
    }
    this.#moveTo(end);
  }

  /**
   * Resolves when somebody sleeps for exactly that long: the pause of a loop, the end of a timeout.
   *
   * ```ts
   * await clock.untilAsleep("10m");
   * ```
   */
  async untilAsleep(duration: Duration): Promise<void> {
    const ms = durationMs(duration);
    const isThere = () => [...this.#sleepers].some((sleeper) => sleeper.ms === ms);
    if (isThere()) return;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!isThere()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
    });
  }

  /**
   * Waits until somebody sleeps for exactly that long, and moves time to its end.
   *
   * ```ts
   * await clock.skip("30s");
   * ```
   */
  async skip(duration: Duration): Promise<void> {
    await this.untilAsleep(duration);
    await this.advance(duration);
  }

  #moveTo(time: number): void {
    this.#skippedMs += Math.max(0, time - this.monotonic());
  }
}
