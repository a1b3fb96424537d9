import { localTimeText } from "../../duration.ts";
import type { KeptOn, Left } from "./left.ts";
import type { RehearsalOptions } from "./rehearse.ts";

interface End {
  readonly options: RehearsalOptions;
  readonly seed: number;
  readonly broke: Readonly<Record<string, number>>;
  readonly left: readonly Left[];
  readonly kept: readonly KeptOn[];
  readonly rented: number;
  readonly costDollars: number;
}

/** What a rehearsal says at its end: what was done to the run, and what the run left. */
export function describeEnd({ options, seed, broke, left, kept, rented, costDollars }: End): string {
  const cost = costDollars > 0 ? `, would have cost ${costText(costDollars)}` : "";
  const lines = [`rehearsal: ${count(rented, "instance")} rented${cost}, ${left.length} left behind`];
  for (const { name, until, why } of kept) {
    lines.push(`  kept until ${localTimeText(until)}: ${name} (${why}); the rehearsal ended it`);
  }
  if (options.chaos !== undefined || options.faults !== undefined) lines.push(`  ${brokeText(broke)} (seed ${seed})`);
  for (const { id, why } of left) lines.push(`  left behind: ${id} (${why})`);
  if (left.length > 0) {
    lines.push(
      "  this is a bug of gpu, not of the recipe: please report it with the seed; the rehearsal ended all of it",
    );
  }
  return lines.join("\n");
}

function costText(costDollars: number): string {
  return costDollars < 0.01 ? "less than $0.01" : `$${costDollars.toFixed(2)}`;
}

function brokeText(broke: Readonly<Record<string, number>>): string {
  const things = Object.entries(broke).toSorted(([, a], [, b]) => b - a);
  if (things.length === 0) return "nothing broke";
  return things.map(([what, times]) => times === 1 ? what : `${what} ${times} times`).join(", ");
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`;
}
