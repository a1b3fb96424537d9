import type { Context } from "../command.ts";
import { connectTarget } from "../hosts/connect.ts";
import type { Target } from "../hosts/target.ts";
import type { ExecOptions, ExecResult } from "../ssh/exec.ts";

export type { ExecOptions, ExecResult } from "../ssh/exec.ts";

/** Runs commands on one machine; it is logged in when this is there. */
export interface Runner extends AsyncDisposable {
  /** Rejects when the connection is lost before the command's end: never a false exit 0. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
}

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
