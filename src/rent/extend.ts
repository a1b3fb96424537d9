import type { Context, Plan } from "../command.ts";
import { GpuError, messageOf, UsageError } from "../errors.ts";
import { nameOf, NoAgent } from "./agent-request.ts";
import { checkCaps } from "./caps.ts";
import { leaseCost, longestLeaseHours } from "./lease.ts";
import type { Launch } from "./rows.ts";

const hourMs = 3_600_000;

/** A lease that was made longer. */
export interface Extended {
  readonly id: string;
  readonly name: string | null;
  readonly extendedByHours: number;
  readonly leaseEndsAt: string;
  readonly leaseMinutesLeft: number;
  /** The most that the added hours cost, in US dollars. */
  readonly costDollars: number;
  /** Why it is less than was asked for. */
  readonly limit: string | null;
}

/** What more hours cost, refused where a budget does not allow them. */
export async function planExtension(context: Context, launch: Launch, hours: number): Promise<Plan> {
  await checkBudget(context, launch, hours);
  const { pricePerHour } = launch;
  return {
    action: `keep ${nameOf(launch)} for ${hours} h more at $${pricePerHour.toFixed(2)}/h`,
    costDollars: leaseCost({ pricePerHour, hours }),
  };
}

/** Adds hours to a lease: first where the machine ends itself, then in the journal, so that it never ends late. */
export async function extendLease(context: Context, launch: Launch, hours: number): Promise<Extended> {
  if (launch.state !== "LAUNCHED" || launch.instanceId === null) {
    throw new GpuError(`\`${nameOf(launch)}\` cannot be leased longer: it is not running`, {
      hint: "`gpu status` shows what is",
    });
  }
  await checkBudget(context, launch, hours);
  const { world } = context;
  const journal = await context.journal();
  const now = world.clock.now();
  const from = Math.max(now, launch.leaseEndsAt);
  const wanted = from + Math.round(hours * hourMs);
  if (!Number.isSafeInteger(wanted) || wanted - now > longestLeaseHours * hourMs) {
    throw new UsageError(`${hours} more hours make a lease of over ${longestLeaseHours} hours`, {
      hint: "a lease is what ends a forgotten machine; it can be extended again later",
    });
  }
  const { endsAt, limit } = await tellMachine(context, launch, wanted);
  const leaseEndsAt = limit === undefined ? wanted : Math.min(wanted, endsAt);
  const moved = journal.setLeaseEnd(launch.token, leaseEndsAt);
  if (moved === undefined) throw new GpuError(`\`${nameOf(launch)}\` is being stopped, so its lease is not longer`);
  const added = Math.max(0, leaseEndsAt - from) / hourMs;
  return {
    id: launch.instanceId,
    name: launch.name,
    extendedByHours: Math.round(added * 1000) / 1000,
    leaseEndsAt: new Date(leaseEndsAt).toISOString(),
    leaseMinutesLeft: Math.max(0, Math.floor((leaseEndsAt - now) / 60_000)),
    costDollars: leaseCost({ pricePerHour: launch.pricePerHour, hours: added }),
    limit: limit ?? null,
  };
}

/** The last moment that a date can say in four digits of a year. */

async function checkBudget(context: Context, { pricePerHour, run }: Launch, hours: number): Promise<void> {
  const costDollars = leaseCost({ pricePerHour, hours });
  const now = context.world.clock.now();
  checkCaps({ journal: await context.journal(), now, run, costDollars }, (await context.config()).budget);
}

/** Tells a machine and its agent when its lease ends now; where only this computer holds the lease, failing is a note. */
export async function tellMachine(
  context: Context,
  launch: Launch,
  until: number,
): Promise<{ endsAt: number; limit: string | undefined }> {
  const provider = await context.provider(launch.provider);
  if (provider.setLeaseEnd && launch.instanceId !== null) {
    // Its agent reads the same.
    await provider.setLeaseEnd(launch.instanceId, until);
    return { endsAt: until, limit: undefined };
  }
  const { enforce = "reaper" } = (await context.config()).lease;
  const { moveLeaseOnInstance, RefusedExtension } = await import("./agent-extend.ts");
  context.progress(`telling ${nameOf(launch)}`);
  try {
    return await moveLeaseOnInstance(context, launch, until);
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof RefusedExtension) throw error;
    if (enforce !== "reaper") {
      throw new GpuError(`the lease is not longer: ${messageOf(error)}`, {
        hint: "the agent ends the instance when the lease it knows is over; try again when it answers",
        cause: error,
      });
    }
    // Where nobody listens, nobody ends it too early either.
    if (!(error instanceof NoAgent)) {
      context.note(`warning: the instance itself does not know of its longer lease: ${messageOf(error)}`);
    }
    return { endsAt: until, limit: undefined };
  } finally {
    context.progress(undefined);
  }
}
