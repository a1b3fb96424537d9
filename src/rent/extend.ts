import type { Context, Plan } from "../command.ts";
import { minutesUntil } from "../duration.ts";
import { GpuError, messageOf, UsageError } from "../errors.ts";
import { nameOf, NoAgent } from "./agent-request.ts";
import { checkCaps } from "./caps.ts";
import { leaseCost, longestLeaseHours } from "./lease.ts";
import type { Journal } from "./journal.ts";
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

/**
 * Adds hours to a lease: first in the journal, in the commit that looks at the budgets, as a launch does; then where the
 * machine ends itself. Where that fails they are taken back.
 */
export async function extendLease(context: Context, launch: Launch, hours: number): Promise<Extended> {
  if (launch.state !== "LAUNCHED" || launch.instanceId === null) {
    throw new GpuError(`\`${nameOf(launch)}\` cannot be leased longer: it is not running`, {
      hint: "`gpu status` shows what is",
    });
  }
  const journal = await context.journal();
  const { now, from, wanted } = await reserve(context, launch, hours);
  const { endsAt, limit } = await tellLatest(context, launch, wanted).catch((error: unknown) => {
    takeBack(journal, launch, { from, wanted });
    throw error;
  });
  const leaseEndsAt = limit === undefined ? wanted : Math.min(wanted, endsAt);
  if (leaseEndsAt < wanted) takeBack(journal, launch, { from: leaseEndsAt, wanted });
  const added = Math.max(0, leaseEndsAt - from) / hourMs;
  return {
    id: launch.instanceId,
    name: launch.name,
    extendedByHours: Math.round(added * 1000) / 1000,
    leaseEndsAt: new Date(leaseEndsAt).toISOString(),
    leaseMinutesLeft: minutesUntil(leaseEndsAt, now),
    costDollars: leaseCost({ pricePerHour: launch.pricePerHour, hours: added }),
    limit: limit ?? null,
  };
}

async function checkBudget(context: Context, launch: Launch, hours: number): Promise<void> {
  (await budgetRule(context, launch, hours))();
}

/** Throws where a budget does not allow the hours; to be asked in the commit that adds them. */
async function budgetRule(context: Context, { pricePerHour, run }: Launch, hours: number): Promise<() => void> {
  const costDollars = leaseCost({ pricePerHour, hours });
  const journal = await context.journal();
  const caps = (await context.config()).budget;
  return () => checkCaps({ journal, now: context.world.clock.now(), run, costDollars }, caps);
}

/** Writes the longer lease down, from what it is in that commit: another command may extend it at the same moment. */
async function reserve(context: Context, launch: Launch, hours: number) {
  const allow = await budgetRule(context, launch, hours);
  const journal = await context.journal();
  const now = context.world.clock.now();
  let from = now;
  const moved = journal.moveLeaseEnd(launch.token, ({ leaseEndsAt }) => {
    allow();
    from = Math.max(now, leaseEndsAt);
    const wanted = from + Math.round(hours * hourMs);
    if (Number.isSafeInteger(wanted) && wanted - now <= longestLeaseHours * hourMs) return wanted;
    throw new UsageError(`${hours} more hours make a lease of over ${longestLeaseHours} hours`, {
      hint: "a lease is what ends a forgotten machine; it can be extended again later",
    });
  });
  if (moved === undefined) throw new GpuError(`\`${nameOf(launch)}\` is being stopped, so its lease is not longer`);
  return { now, from, wanted: moved.leaseEndsAt };
}

/** Puts the end of a lease back, unless somebody has moved it since. */
function takeBack(journal: Journal, { token }: Launch, { from, wanted }: { from: number; wanted: number }): void {
  if (journal.launch(token)?.leaseEndsAt !== wanted) return;
  journal.moveLeaseEnd(token, ({ leaseEndsAt }) => leaseEndsAt === wanted ? from : leaseEndsAt);
}

/** Of two that tell a machine at once, the earlier end may arrive last; whoever sees that tells it again. */
async function tellLatest(context: Context, launch: Launch, until: number) {
  const told = await tellMachine(context, launch, until);
  const latest = (await context.journal()).launch(launch.token);
  if (latest?.state !== "LAUNCHED") {
    throw new GpuError(`\`${nameOf(launch)}\` is being stopped, so its lease is not longer`);
  }
  if (latest.leaseEndsAt > until) await tellMachine(context, launch, latest.leaseEndsAt);
  return told;
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
