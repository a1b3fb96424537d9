import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import type { Launch } from "../rent/rows.ts";

/** As ssh: what goes wrong with the connection is not taken for the command's own exit code. */
const connectionExitCode = 255;

/** Does something over SSH; where the connection fails, the error says which instance it was and whether it is gone. */
export async function onInstance<T>(context: Context, { token }: Launch, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { SshError } = await import("../ssh/failure.ts");
    if (!(error instanceof SshError) || context.signal.aborted) throw error;
    const launch = (await context.journal()).launch(token);
    const name = launch?.name ?? launch?.instanceId ?? token;
    const fact = launch ? endOf(launch, context.world.clock.now()) : undefined;
    throw new GpuError(`\`${name}\`: ${error.message}${fact ? `; ${fact}` : ""}`, {
      hint: fact
        ? "`gpu log` says what happened; `gpu start` rents another one"
        : error.hint ?? "`gpu status` shows how it is",
      exitCode: connectionExitCode,
      cause: error,
    });
  }
}

function endOf({ state, leaseEndsAt, endWhy }: Launch, now: number): string | undefined {
  if (leaseEndsAt <= now) return "its lease is over";
  return state === "LAUNCHED" ? undefined : `it was stopped${endWhy ? ` (${endWhy})` : ""}`;
}
