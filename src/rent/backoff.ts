const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/** How long to leave alone what has failed: 1 s, twice as long after each failure, at most 60 s. */
export class Backoff {
  #pauseMs = 0;
  #againAt = -Infinity;

  /** When it may be tried again: milliseconds since 1970; in the past where it has not failed. */
  get againAt(): number {
    return this.#againAt;
  }

  /** `now` is milliseconds since 1970. Returns the pause, in milliseconds. */
  failed(now: number): number {
    this.#pauseMs = Math.min(longestPauseMs, Math.max(firstPauseMs, this.#pauseMs * 2));
    this.#againAt = now + this.#pauseMs;
    return this.#pauseMs;
  }

  worked(): void {
    this.#pauseMs = 0;
    this.#againAt = -Infinity;
  }
}
