/** A call a recipe made: it knows where that was, whether anybody waited for it, and whether it is over. */
export interface CallRecord {
  /** As the recipe wrote it: `gpu.ci.submit.test`. */
  readonly name: string;
  /** The stack of the caller, frames of ours first. */
  readonly stack: string;
  isObserved: boolean;
  isSettled: boolean;
  /** What it failed with, when it did. */
  error?: unknown;
  /** What the recipe calls it in what is shown. */
  readonly label?: string | undefined;
  /** It only looks at something: where it is over at once there is nothing to say of it. */
  readonly isMinor?: boolean;
  /** What is shown of a run says nothing of it. */
  readonly isQuiet?: boolean;
}

/** The promise that a recipe's functions return. Where its value is a stream, it can be iterated without `await`. */
export class Call<T> extends Promise<T> {
  /** What is derived from a call is a plain promise: only the call itself must be waited for. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  #record: CallRecord | undefined;

  /** Runs `start` and keeps its outcome, so that nothing it throws floats. */
  static track<T>(record: CallRecord, start: () => Promise<T>): Call<T> {
    const outcome = start();
    const call = new Call<T>((resolve, reject) => {
      outcome.then(resolve, reject);
    });
    const settle = () => (record.isSettled = true);
    // The bare `then` of Promise: it marks a rejection as handled without counting as somebody who waits.
    super.prototype.then.call(call, settle, (error: unknown) => {
      settle();
      record.error = error;
    });
    call.#record = record;
    return call;
  }

  override then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (this.#record) this.#record.isObserved = true;
    return super.then(onValue, onError);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    const value: unknown = await this;
    if (!isAsyncIterable(value)) {
      throw new TypeError(`\`${this.#record?.name}\` returns one value: await it instead of iterating it`);
    }
    yield* value;
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/** The stack of the calling code. Which of it is ours is told apart by its files: tail calls leave no frames to count. */
export function stackHere(): string {
  return (new Error().stack ?? "").split("\n").filter((line) => line.trimStart().startsWith("at ")).join("\n");
}
