/**
 * Works on so many items at once, and gives each result as it comes. Left early, it waits for what is still running:
 * the work has to be told by its own signal.
 */
export async function* inPool<T, R>(
  items: readonly T[],
  jobs: number,
  work: (item: T, index: number) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const done: R[] = [];
  let next = 0;
  let running = 0;
  let isLeft = false;
  let failure: { error: unknown } | undefined;
  let wake = () => {};
  const begin = () => {
    while (running < jobs && next < items.length && !isLeft && failure === undefined) {
      const index = next++;
      const item = items[index];
      if (item === undefined) continue;
      running++;
      work(item, index).then((result) => void done.push(result), (error) => void (failure ??= { error })).finally(
        () => {
          running--;
          begin();
          wake();
        },
      );
    }
  };
  begin();
  try {
    for (;;) {
      for (let result = done.shift(); result !== undefined; result = done.shift()) yield result;
      if (running === 0) break;
      await new Promise<void>((resolve) => wake = resolve);
    }
    if (failure) throw failure.error;
  } finally {
    isLeft = true;
    while (running > 0) await new Promise<void>((resolve) => wake = resolve);
  }
}

/** Lets only so many in at once; the others wait in their order. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
