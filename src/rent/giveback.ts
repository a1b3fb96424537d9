import { GpuError, messageOf } from "../errors.ts";
import type { Renting } from "./renting.ts";
import { stopInstance } from "./stop.ts";

/** How long to look on after an interrupt or a failure; the journal keeps a stop that takes longer. */
const usualPatienceMs = 30_000;

/** Stops what a failed or interrupted step leaves, and returns the failure with what became of the machine. */
export async function giveBack(
  options: Renting & {
    readonly token: string; /** Where it is known, though the journal may not say it. */
    readonly instanceId?: string;
  },
  failure: unknown,
  patienceMs = usualPatienceMs,
): Promise<unknown> {
  const why = messageOf(failure);
  // Not with the signal that interrupted us: it would stop the stopping.
  const { token, instanceId } = options;
  const end = await stopInstance({ ...options, signal: undefined, target: { token, instanceId }, why, patienceMs })
    .catch((error: unknown) => new GpuError(messageOf(error)));
  if (end === "stopped") return withFact(failure, "it was given back");
  const fact = end === "stopping" ? "it was asked to stop and has not been seen gone yet" : end.message;
  return withFact(failure, fact, "`gpu status` shows whether it is still there, `gpu stop` tries again");
}

function withFact(failure: unknown, fact: string, hint?: string): unknown {
  if (!(failure instanceof GpuError)) return new GpuError(`${messageOf(failure)}; ${fact}`, { hint, cause: failure });
  const { kind, exitCode, cause } = failure;
  return new GpuError(`${failure.message}; ${fact}`, { hint: hint ?? failure.hint, kind, exitCode, cause });
}
