import { GpuError, UsageError } from "../errors.ts";
import type { Launch } from "./rows.ts";

const hourMs = 3_600_000;

/** Thirty days: a lease is what ends a forgotten machine. `gpu extend` moves it on. */
export const longestLeaseHours = 720;

/** The most a lease can cost, in US dollars. */
export function leaseCost({ pricePerHour, hours }: { pricePerHour: number; hours: number }): number {
  return toFractions(pricePerHour * hours);
}

/** When a lease of `hours` that begins now is over. */
export function leaseEnd({ now, hours }: { now: number; hours: number }): number {
  if (!(hours > 0) || hours > longestLeaseHours) {
    throw new UsageError(`a lease of ${hours} hours is not possible`, {
      hint: `above 0, at most ${longestLeaseHours}`,
    });
  }
  return now + Math.round(hours * hourMs);
}

/** What an instance has cost until now, in US dollars: from its launch until it was gone. */
export function costSoFar(launch: Pick<Launch, "launchedAt" | "stoppedAt" | "pricePerHour">, now: number): number {
  if (launch.launchedAt === null) return 0;
  const elapsedMs = Math.max(0, (launch.stoppedAt ?? now) - launch.launchedAt);
  return toFractions(launch.pricePerHour * elapsedMs / hourMs);
}

/** What an instance can still come to: its price until its lease ends; what it has cost once it is gone. */
export function committedCost(
  launch: Pick<Launch, "state" | "launchedAt" | "createdAt" | "stoppedAt" | "pricePerHour" | "leaseEndsAt">,
  now: number,
): number {
  if (launch.state === "ABSENT") return 0;
  if (launch.state === "STOPPED") return costSoFar(launch, now);
  const lastsMs = Math.max(now, launch.leaseEndsAt) - (launch.launchedAt ?? launch.createdAt);
  return toFractions(launch.pricePerHour * Math.max(0, lastsMs) / hourMs);
}

/** Refuses what could cost more than the budget allows. */
export function checkBudget(rent: { type: string; pricePerHour: number; hours: number; budgetDollars: number }): void {
  const cost = leaseCost(rent);
  if (cost <= rent.budgetDollars) return;
  const hours = Math.floor(rent.budgetDollars / rent.pricePerHour * 100) / 100;
  throw new GpuError(
    `renting \`${rent.type}\` for ${rent.hours} h can cost ${dollars(cost)}, and the budget is ${
      dollars(rent.budgetDollars)
    }`,
    { hint: hours > 0 ? `a lease of ${hours} h fits the budget` : "take a cheaper type: `gpu available` lists prices" },
  );
}

/** Whether a lease is over. */
export function isLeaseOver(launch: Pick<Launch, "leaseEndsAt">, now: number): boolean {
  return launch.leaseEndsAt <= now;
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}

/** Money to a hundredth of a cent, so that sums of floating point numbers print as people write them. */
function toFractions(amount: number): number {
  return Math.round(amount * 10_000) / 10_000;
}
