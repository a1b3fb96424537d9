import { GpuError, NotFoundError } from "../errors.ts";
import { leaseEnd } from "./lease.ts";
import type { Renting } from "./renting.ts";
import type { Launch } from "./rows.ts";

export interface KeepOptions extends Renting {
  readonly token: string;
  /** Without: its lease stays as it is. */
  readonly hours?: number;
  readonly why?: string;
  /** Moves the end that the machine itself knows of; the provider does when left out. */
  readonly tell?: (leaseEndsAt: number) => Promise<unknown>;
}

/** Hands a machine from its run to its lease, which then ends `hours` from now: it outlives the run, and still ends. */
export async function keepInstance(
  { world, journal, provider, token, hours, why, tell }: KeepOptions,
): Promise<Launch> {
  const launch = journal.launch(token);
  if (launch === undefined) throw new NotFoundError(`no launch \`${token}\` in the journal`);
  const leaseEndsAt = hours === undefined ? undefined : leaseEnd({ now: world.clock.now(), hours });
  // The machine first: should we die in between, it ends at the earlier of the two.
  if (leaseEndsAt !== undefined && launch.instanceId !== null) {
    await (tell ? tell(leaseEndsAt) : provider.setLeaseEnd?.(launch.instanceId, leaseEndsAt));
  }
  const kept = journal.handToLease(token, { leaseEndsAt, why });
  if (kept !== undefined) return kept;
  throw new GpuError(`\`${launch.name ?? launch.instanceId ?? token}\` cannot be kept: it is ${wordFor(launch)}`);
}

function wordFor({ state }: Launch): string {
  if (state === "STOPPED" || state === "ABSENT") return "gone";
  return state === "STOPPING" ? "being stopped" : "not launched yet";
}
