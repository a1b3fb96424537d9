import type { Journal } from "./journal.ts";
import { costSoFar } from "./lease.ts";
import type { Launch, RunRow } from "./rows.ts";

export const groupings = ["instance", "run", "recipe", "provider", "day"] as const;
export type Grouping = (typeof groupings)[number];

/** What a group of instances has cost. */
export interface Cost {
  readonly group: string;
  readonly instances: number;
  readonly hours: number;
  readonly costDollars: number;
}

interface CostOptions {
  readonly journal: Journal;
  readonly now: number;
  readonly by: Grouping;
  /** Milliseconds since 1970; what was spent before does not count. */
  readonly since: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** What was spent since then, by group, in the order the groups began. A machine counts from its launch until it costs nothing. */
export function costs({ journal, now, by, since }: CostOptions): Cost[] {
  const runs = new Map(journal.runs().map((run) => [run.id, run]));
  const groups = new Map<string, { instances: Set<string>; ms: number; dollars: number }>();
  for (const launch of journal.launches().filter(({ launchedAt }) => launchedAt !== null)) {
    for (const { group, ms, dollars } of partsOf(launch, { by, since, now, runs })) {
      const sum = groups.get(group) ?? { instances: new Set<string>(), ms: 0, dollars: 0 };
      groups.set(group, sum);
      sum.instances.add(launch.token);
      sum.ms += ms;
      sum.dollars += dollars;
    }
  }
  return [...groups].map(([group, { instances, ms, dollars }]) => ({
    group,
    instances: instances.size,
    hours: round(ms / hourMs),
    costDollars: round(dollars),
  }));
}

interface Part {
  readonly group: string;
  readonly ms: number;
  readonly dollars: number;
}

function partsOf(
  launch: Launch,
  { by, since, now, runs }: Omit<CostOptions, "journal"> & { runs: ReadonlyMap<string, RunRow> },
): Part[] {
  const from = Math.max(launch.launchedAt ?? now, since);
  const to = launch.stoppedAt ?? now;
  if (to <= from && launch.launchedAt !== from) return [];
  if (by !== "day") return [part(groupOf(launch, by, runs), launch, from, to)];
  const parts: Part[] = [];
  for (let start = from; start < to || parts.length === 0;) {
    const midnight = (Math.floor(start / dayMs) + 1) * dayMs;
    parts.push(part(new Date(start).toISOString().slice(0, 10), launch, start, Math.min(midnight, to)));
    start = midnight;
  }
  return parts;
}

function part(group: string, launch: Launch, from: number, to: number): Part {
  const dollars = costSoFar({ ...launch, launchedAt: from, stoppedAt: to }, to);
  return { group, ms: Math.max(0, to - from), dollars };
}

function groupOf(launch: Launch, by: Exclude<Grouping, "day">, runs: ReadonlyMap<string, RunRow>): string {
  if (by === "provider") return launch.provider;
  if (by === "run") return launch.run;
  if (by === "recipe") return runs.get(launch.run)?.recipe ?? "(command line)";
  return launch.name ?? launch.instanceId ?? launch.token;
}

function round(amount: number): number {
  return Math.round(amount * 10_000) / 10_000;
}
