import type { Context } from "../command.ts";
import type { Target } from "../hosts/target.ts";
import { SshError, type SshFailure } from "../ssh/failure.ts";
import type { Gate } from "./pool.ts";
import { openRunner, type Runner, type RunnerOptions } from "./runner.ts";
import { TimeOver, withinTime } from "./within-time.ts";

interface LoginOptions {
  readonly signal: AbortSignal;
  readonly connectTimeoutMs: number | undefined;
  readonly retries: number;
  readonly share: RunnerOptions["share"];
  readonly logins: Gate;
}

/** What may be better in a moment. Nothing was run by then, so trying again repeats nothing. */
const passing: readonly SshFailure[] = ["unreachable", "refused", "timeout", "closed"];

/** The first pause before another attempt, in milliseconds; each is twice the one before, and up to half as much more. */
const pauseMs = 500;
const longestPauseMs = 15_000;

/** Logs in, and tries again so often where nobody answers. */
export async function logIn(context: Context, target: Target, options: LoginOptions): Promise<Runner> {
  const { world: { clock, random } } = context;
  const { signal, retries } = options;
  for (let left = retries, ms = pauseMs;; left--, ms = Math.min(ms * 2, longestPauseMs)) {
    try {
      return await attempt(context, target, options);
    } catch (error) {
      const isPassing = error instanceof SshError && passing.includes(error.reason);
      if (left <= 0 || !isPassing || signal.aborted) throw error;
      // Machines that were refused together do not come back together.
      await clock.sleep(ms * (1 + (random(1)[0] ?? 0) / 512), signal);
    }
  }
}

async function attempt(context: Context, target: Target, options: LoginOptions): Promise<Runner> {
  const { logins, share, signal, connectTimeoutMs } = options;
  // A host knows its own limit, which does not count while a person is asked.
  const ms = target.kind === "instance" ? connectTimeoutMs : undefined;
  try {
    return await logins.pass(() =>
      withinTime(
        context,
        { signal, ms, late: (ms) => `did not let us in within ${ms / 1000} s` },
        (signal) => openRunner(context, withTime(target, connectTimeoutMs), { share, signal }),
      )
    );
  } catch (error) {
    if (error instanceof TimeOver) throw new SshError(error.message, { reason: "timeout", cause: error });
    throw error;
  }
}

function withTime(target: Target, connectTimeoutMs: number | undefined): Target {
  if (target.kind === "instance" || connectTimeoutMs === undefined) return target;
  return { ...target, login: { ...target.login, connectTimeoutMs } };
}
