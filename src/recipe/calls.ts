import { GpuError } from "../errors.ts";
import { Call, type CallRecord, stackHere } from "../surface/call.ts";
import { findRun } from "./current.ts";

/** Every call that a run made. */
export class CallLog {
  readonly #records: CallRecord[] = [];
  readonly #open = new Set<Promise<unknown>>();

  track<T>(record: CallRecord, start: () => Promise<T>): Promise<T> {
    this.#records.push(record);
    const outcome = start();
    const over = outcome.then(() => {}, () => {}).finally(() => this.#open.delete(over));
    this.#open.add(over);
    return Call.track(record, () => outcome);
  }

  add(record: CallRecord): void {
    this.#records.push(record);
  }

  /** Resolves when no call is going on any more. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  /** The call that failed with `error`. */
  findByError(error: unknown): CallRecord | undefined {
    return this.#records.find((record) => "error" in record && record.error === error);
  }

  /** The first call that nobody waited for, or that is not over although the recipe is. */
  findLeftOpen(): CallRecord | undefined {
    return this.#records.find(({ isObserved }) => !isObserved) ?? this.#records.find(({ isSettled }) => !isSettled);
  }
}

/** What is wrong with a call that was left open, in words. */
export function leftOpenError(record: CallRecord): GpuError {
  if (record.isObserved) {
    return new GpuError(`the recipe ended while \`${record.name}\` was still going on`, {
      hint: "wait for it: put `await` before what it is part of, a `Promise.all(…)` for example",
    });
  }
  const failed = record.error instanceof Error ? `, and it failed: ${record.error.message}` : "";
  return new GpuError(`nobody waited for \`${record.name}\`${failed}`, {
    hint: `put \`await\` before \`${record.name}(…)\``,
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
