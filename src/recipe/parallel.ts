import { messageOf } from "../errors.ts";
import { derive } from "../surface/child.ts";
import { trackCall } from "./calls.ts";
import { currentRun, inRun } from "./current.ts";
import { oneName } from "../runs/lines.ts";
import { PlanEnds } from "./planner.ts";

/** How several pieces of work run beside each other. */
export interface ParallelOptions {
  /** How many run at once; all when left out. */
  readonly limit?: number;
  /**
   * The first failure ends the others; `true` when left out. With `false` all run to their end, and then an
   * `AggregateError` names each that failed.
   */
  readonly failFast?: boolean;
}

/**
 * Calls `fn` for each item, several at once, and returns the results in the order of the items. The first failure ends
 * the others: their calls are aborted, and they are waited for, so that what they opened is closed before it is thrown.
 * With `failFast: false` all run to their end. What an item does is shown with its name before it.
 *
 * ```ts
 * const times = await parallel(["gpu_1x_a10", "gpu_1x_h100"], async (type) => {
 *   await using box = await gpu.start({ type, hours: 1 });
 *   return await box.$`./benchmark`.text();
 * }, { limit: 4 });
 * ```
 */
export function parallel<T, R>(
  items: Iterable<T>,
  fn: (item: T, index: number, signal: AbortSignal) => R | Promise<R>,
  { limit = Infinity, failFast = true }: ParallelOptions = {},
): Promise<R[]> {
  if (!(limit >= 1)) throw new RangeError(`parallel: the limit is \`${limit}\`, but at least 1 must run`);
  return trackCall("parallel", async () => {
    const run = currentRun();
    const controller = new AbortController();
    const signal = AbortSignal.any([run.context.signal, controller.signal]);
    const inner = derive(run.context, { signal });
    const all = [...items];
    const queue = all.entries();
    const results: R[] = [];
    const failures: Failure[] = [];

    // One iterator for all workers: each takes the next item that nobody has.
    const work = async () => {
      for (const [index, item] of queue) {
        if (signal.aborted) return;
        try {
          const scope = run.within(inner, all.length > 1 ? oneName(nameOf(item, index), 20) : undefined);
          const call = async () => await inRun(scope, () => fn(item, index, signal));
          results[index] = await (run.planner?.branch(call) ?? call());
        } catch (error) {
          failures.push({ index, name: nameOf(item, index), error });
          // A plan has all that would be rented.
          if (!failFast || error instanceof PlanEnds) continue;
          controller.abort(new SiblingFailed());
          return;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(limit, all.length) }, work));
    run.context.signal.throwIfAborted();
    const [first] = failures;
    if (first === undefined) return results;
    throw failFast || first.error instanceof PlanEnds ? first.error : allFailures(failures, all.length);
  });
}

interface Failure {
  readonly index: number;
  readonly name: string;
  readonly error: unknown;
}

/** Each that failed, by its item, in the order of the items. */
function allFailures(failures: readonly Failure[], count: number): AggregateError {
  const inOrder = failures.toSorted((one, other) => one.index - other.index);
  const lines = inOrder.map(({ name, error }) => `  ${name}: ${messageOf(error).replaceAll("\n", "\n    ")}`);
  return new AggregateError(
    inOrder.map(({ error }) => error),
    `${failures.length} of ${count} failed\n${lines.join("\n")}`,
  );
}

/** What a person would call an item. */
function nameOf(item: unknown, index: number): string {
  if (typeof item === "string" || typeof item === "number") return String(item);
  if (typeof item === "object" && item !== null) {
    for (const key of ["name", "label", "id", "type"]) {
      const value: unknown = Reflect.get(item, key);
      if (typeof value === "string" || typeof value === "number") return String(value);
    }
  }
  return `#${index + 1}`;
}

/** Why the siblings of what failed were ended. */
class SiblingFailed extends Error {
  override name = "SiblingFailed";
  override message = "another one of `parallel` failed";
}
