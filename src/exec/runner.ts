import type { Context } from "../command.ts";
import { connectTarget } from "../hosts/connect.ts";
import type { Target } from "../hosts/target.ts";
import type { Runner } from "../ssh/exec.ts";

export type { ExecOptions, ExecResult, Runner } from "../ssh/exec.ts";

export interface RunnerOptions {
  /**
   * The connection may be one that other commands use too, and stays open for them; `existing` takes one that is there
   * and opens its own else.
   */
  readonly share: boolean | "existing";
  /** Ends the login; a command takes its own. */
  readonly signal?: AbortSignal;
}

/** Logs in on a machine, to run commands there. */
export async function openRunner(
  context: Context,
  target: Target,
  { share, signal = context.signal }: RunnerOptions,
): Promise<Runner> {
  if (share !== false) {
    const { openSharedRunner } = await import("../background/shared-runner.ts");
    const runner = await openSharedRunner(context, target, { signal, isThere: share === "existing" });
    if (runner) return runner;
  }
  return await connectTarget(context, target, signal);
}
