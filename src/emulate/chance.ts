import { createHash } from "node:crypto";

/**
 * Chance that a seed decides. Each question has a sequence of its own, so what the third launch meets does not depend on
 * how often the list was read meanwhile.
 */
export class Chance {
  readonly seed: number;
  readonly #asked = new Map<string, number>();

  constructor(seed: number) {
    this.seed = seed;
  }

  /** The next number of this question, from 0 up to but not including 1. */
  next(question: string): number {
    const count = this.#asked.get(question) ?? 0;
    this.#asked.set(question, count + 1);
    return this.at(question, count);
  }

  /** The same number each time. */
  at(question: string, index: number): number {
    return createHash("sha256").update(`${this.seed}:${question}:${index}`).digest().readUIntBE(0, 6) / 2 ** 48;
  }
}
