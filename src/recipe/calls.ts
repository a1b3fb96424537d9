import { GpuError } from "../errors.ts";
import { Call, type CallRecord, stackHere } from "../surface/call.ts";
import { findRun } from "./current.ts";

/** The calls of a run, as long as there is something to say of them. */
export class CallLog {
  #records: CallRecord[] = [];
  readonly #open = new Set<Promise<unknown>>();
  /** Of the calls that are not kept, for as long as somebody has their error. */
  readonly #failed = new WeakMap<object, CallRecord>();
  #sweepAt = sweepFrom;

  track<T>(record: CallRecord, start: () => Promise<T>): Promise<T> {
    this.add(record);
    const outcome = start();
    const over = outcome.then(() => {}, () => {}).finally(() => this.#open.delete(over));
    this.#open.add(over);
    return Call.track(record, () => outcome);
  }

  add(record: CallRecord): void {
    this.#records.push(record);
    if (this.#records.length >= this.#sweepAt) this.#sweep();
  }

  /** How many are kept. */
  get size(): number {
    return this.#records.length;
  }

  /** Resolves when no call is going on any more. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  /** The call that failed with `error`: of those inside of each other the innermost, which was made last. */
  findByError(error: unknown): CallRecord | undefined {
    const swept = typeof error === "object" && error !== null ? this.#failed.get(error) : undefined;
    return swept ?? this.#records.findLast((record) => "error" in record && record.error === error);
  }

  /** The first call that nobody waited for, or that is not over although the recipe is. */
  findLeftOpen(): CallRecord | undefined {
    return this.#records.find(({ isObserved }) => !isObserved) ?? this.#records.find(({ isSettled }) => !isSettled);
  }

  /** All of which nobody waited for, where the first is one of them. */
  findAllLeftOpen(): CallRecord[] {
    const unobserved = this.#records.filter(({ isObserved }) => !isObserved);
    return unobserved.length > 0 ? unobserved : [this.findLeftOpen()].filter((record) => record !== undefined);
  }

  /** Drops the calls that somebody waited for and that are over: a recipe may run for days. */
  #sweep(): void {
    const [over, open] = [this.#records.filter(isOver), this.#records.filter((record) => !isOver(record))];
    for (const record of over) {
      const { error } = record;
      if (typeof error === "object" && error !== null) this.#failed.set(error, record);
    }
    this.#records = open;
    this.#sweepAt = Math.max(sweepFrom, open.length * 2);
  }
}

/** So many records are kept before the first look at which are needed. */
const sweepFrom = 256;

function isOver({ isObserved, isSettled }: CallRecord): boolean {
  return isObserved && isSettled;
}

/** What is wrong with calls that were left open, in words. */
export function leftOpenError(record: CallRecord, others: readonly CallRecord[] = []): GpuError {
  if (record.isObserved) {
    return new GpuError(`the recipe ended while \`${record.name}\` was still going on`, {
      hint: "wait for it: put `await` before what it is part of, a `Promise.all(…)` for example",
    });
  }
  const { error, name } = record;
  // That it was cut short by the end of the recipe is no news.
  const failed = error instanceof Error && error.name !== "RunOver" ? `, and it failed: ${error.message}` : "";
  const names = [...new Set(others.map((other) => `\`${other.name}\``))];
  const more = names.length === 0 ? "" : `, nor for ${names.join(", ")}`;
  return new GpuError(`nobody waited for \`${name}\`${failed}${more}`, {
    hint: `put \`await\` before ${others.length > 0 ? "each of them" : name.endsWith("$") ? "it" : `\`${name}(…)\``}`,
  });
}

/** A call of a method of a handle: known to the run it is made in, as the functions of `gpu` are. */
export function trackCall<T>(name: string, start: () => Promise<T>): Promise<T> {
  const record = newRecord(name);
  return findRun()?.track(record, start) ?? start();
}

/** A record of a call that is made here and now. */
export function newRecord(name: string): CallRecord {
  return { name, stack: stackHere(), isObserved: false, isSettled: false };
}
