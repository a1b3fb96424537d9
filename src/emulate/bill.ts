import type { Rented } from "./fleet.ts";

/** One instance on the bill. Times are ISO 8601. */
export interface BillLine {
  readonly id: string;
  readonly name: string | null;
  readonly type: string;
  readonly region: string;
  readonly status: Rented["status"];
  readonly price_cents_per_hour: number;
  readonly launched_at: string;
  readonly active_at: string | null;
  readonly termination_asked_at: string | null;
  readonly terminated_at: string | null;
  readonly seconds: number;
  readonly cost_cents: number;
}

/**
 * Every instance that was ever made, and what it costs until now: price × time from its launch until its termination is
 * accepted. Lambda itself begins when its health checks pass, and counts whole minutes:
 * https://docs.lambda.ai/public-cloud/billing
 */
export interface Bill {
  readonly currency: "USD";
  /** How many were ever made. */
  readonly made: number;
  /** How many are not gone. */
  readonly left: number;
  readonly total_cents: number;
  readonly instances: readonly BillLine[];
}

export interface Billed extends Rented {
  readonly name: string | undefined;
  readonly priceCentsPerHour: number;
}

export function billOf(instances: readonly Billed[], now: number): Bill {
  const lines = instances.map((instance) => lineOf(instance, now));
  return {
    currency: "USD",
    made: lines.length,
    left: lines.filter(({ status }) => status !== "terminated").length,
    total_cents: lines.reduce((sum, { cost_cents }) => sum + cost_cents, 0),
    instances: lines,
  };
}

function lineOf(instance: Billed, now: number): BillLine {
  const { spec, status, priceCentsPerHour, launchedAt } = instance;
  const elapsedMs = Math.max(0, (instance.terminationAskedAt ?? instance.terminatedAt ?? now) - launchedAt);
  return {
    id: spec.id,
    name: instance.name ?? null,
    type: spec.type,
    region: spec.region,
    status,
    price_cents_per_hour: priceCentsPerHour,
    launched_at: iso(launchedAt),
    active_at: isoIfThere(instance.activeAt),
    termination_asked_at: isoIfThere(instance.terminationAskedAt),
    terminated_at: isoIfThere(instance.terminatedAt),
    seconds: elapsedMs / 1000,
    cost_cents: Math.round(priceCentsPerHour * elapsedMs / 3_600_000),
  };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function isoIfThere(time: number | undefined): string | null {
  return time === undefined ? null : iso(time);
}
