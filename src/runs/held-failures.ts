import type { Clock } from "../world.ts";
import { firstLineOf } from "./text.ts";

/** A step that failed, as lines: with why it did, and without. */
export interface HeldFailure {
  readonly error: string;
  readonly lines: readonly string[];
  readonly shortLines: readonly string[];
}

/** How long it is waited for more before a failure is told, in milliseconds. */
const patienceMs = 5000;

/**
 * Failed steps that are not told yet: where the run ends with the same words, or the step around it fails with them, they
 * are said once.
 */
export class HeldFailures {
  readonly #clock: Pick<Clock, "sleep">;
  #held: HeldFailure[] = [];
  #waiting: AbortController | undefined;

  constructor(clock: Pick<Clock, "sleep">) {
    this.#clock = clock;
  }

  /** `onLate`: nothing more came for so long that it is to be told now. */
  add(failure: HeldFailure, onLate: () => void): void {
    this.#held.push(failure);
    if (this.#waiting) return;
    this.#waiting = new AbortController();
    this.#clock.sleep(patienceMs, this.#waiting.signal).then(onLate, () => {});
  }

  /** The lines of all that is held. `final`: what the run ends with, and says itself. */
  take(final?: string | null): string[] {
    this.#waiting?.abort();
    this.#waiting = undefined;
    const said = new Set(typeof final === "string" ? [firstLineOf(final)] : []);
    const held = this.#held;
    this.#held = [];
    return held.flatMap(({ error, lines, shortLines }) => {
      const why = firstLineOf(error);
      const isSaid = said.has(why);
      said.add(why);
      return isSaid ? shortLines : lines;
    });
  }
}
