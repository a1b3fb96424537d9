/** Work that is quick and never waits does so now and then: others get their turn in between. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Gives others their turn after so many steps of such work. */
export class Turns {
  readonly #steps: number;
  #count = 0;

  constructor({ steps }: { steps: number }) {
    this.#steps = steps;
  }

  async step(): Promise<void> {
    if (++this.#count % this.#steps === 0) await nextTurn();
  }
}
