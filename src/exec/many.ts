import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import type { Target } from "../hosts/target.ts";
import { type HostEnd, notBegun, runOnHost, type Work } from "./on-host.ts";
import { inPool } from "./pool.ts";
import { ManyProgress } from "./progress.ts";
import type { InputOfMany } from "./stdin.ts";

export interface ManyOptions {
  readonly work: Work;
  /** So many machines at once. */
  readonly jobs: number;
  /** The first that does not go well ends the others. */
  readonly failFast: boolean;
  readonly input: InputOfMany | undefined;
}

/** Runs the work on all machines and gives what became of it, one machine after the other as they end. */
export async function* runOnMany(
  context: Context,
  targets: readonly Target[],
  { work, jobs, failFast, input }: ManyOptions,
): AsyncGenerator<HostEnd, void, undefined> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  using progress = new ManyProgress(context, targets.length);
  const run = async (target: Target, index: number): Promise<HostEnd> => {
    using stdin = input?.forHost(index);
    if (signal.aborted) return notBegun(target, signal);
    using turn = progress.begin(target.name);
    try {
      const end = await runOnHost(context, target, { work, signal, stdin });
      turn.status = end.execution.status;
      if (failFast && end.execution.status !== "ok") {
        stop.abort(new GpuError(`ended because of \`${target.name}\``));
      }
      return end;
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  };
  try {
    yield* inPool(targets, jobs, run);
  } finally {
    // Left early: what still runs is told to end, and waited for.
    stop.abort(new GpuError("nobody waits for it any more"));
  }
}
