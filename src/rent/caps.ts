import { GpuError } from "../errors.ts";
import type { Journal } from "./journal.ts";
import { committedCost } from "./lease.ts";

/** What may be spent, in US dollars; what is missing has no limit. */
export interface Caps {
  /** One start: price × lease. */
  readonly start?: number;
  /** Everything a run rents. */
  readonly run?: number;
  /** Since midnight UTC. */
  readonly day?: number;
  /** Since the first of the month, UTC. */
  readonly month?: number;
}

interface Spending {
  readonly journal: Journal;
  readonly now: number;
  readonly run: string;
  /** What is about to be rented can cost, in US dollars. */
  readonly costDollars: number;
}

/** Refuses what would pass a cap. What is rented counts in full until its lease ends, what is gone as what it cost. */
export function checkCaps({ journal, now, run, costDollars }: Spending, caps: Caps): void {
  if (costDollars === 0) return;
  const launches = journal.launches();
  const since = (start: number) =>
    launches.filter(({ createdAt, stoppedAt }) => createdAt >= start || stoppedAt === null || stoppedAt >= start);
  const day = Date.parse(new Date(now).toISOString().slice(0, 10));
  const month = Date.parse(`${new Date(now).toISOString().slice(0, 7)}-01`);
  const rules = [
    { name: "the budget of this start", cap: caps.start, counted: [] },
    { name: "the budget of a run", cap: caps.run, counted: launches.filter((launch) => launch.run === run) },
    { name: "the budget of a day", cap: caps.day, counted: since(day) },
    { name: "the budget of a month", cap: caps.month, counted: since(month) },
  ];
  for (const { name, cap, counted } of rules) {
    const before = counted.reduce((sum, launch) => sum + committedCost(launch, now), 0);
    if (cap === undefined || before + costDollars <= cap + 1e-9) continue;
    const spent = before > 0 ? `, after ${dollars(before)} that is spent or committed` : "";
    throw new GpuError(`this can cost ${dollars(costDollars)}${spent}, and ${name} is ${dollars(cap)}`, {
      hint:
        "a shorter lease or a cheaper type costs less; `gpu cost` shows what was spent; `budget:` in the configuration holds the limits",
    });
  }
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}
