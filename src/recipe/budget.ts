import type { Plan } from "../command.ts";
import { GpuError, UsageError } from "../errors.ts";

/** What a run may spend: price × lease of everything it rents, counted before it is rented. */
export class RunBudget {
  #limitDollars: number | undefined;
  #plannedDollars = 0;

  /** `undefined`: nobody said what it may spend, so it may not. `Infinity`: `--yes`. */
  constructor(limitDollars: number | undefined) {
    this.#limitDollars = limitDollars;
  }

  get isSet(): boolean {
    return this.#limitDollars !== undefined;
  }

  /** The most it may spend, in US dollars. */
  get limitDollars(): number {
    return this.#limitDollars ?? 0;
  }

  /** Whether a plan may be carried out; with `limitDollars`, whether it might be if that were the limit. */
  covers(costDollars: number, limitDollars = this.limitDollars): boolean {
    return costDollars === 0 || this.#plannedDollars + costDollars <= limitDollars + 1e-9;
  }

  /** Lets it spend so much in all, in US dollars: a person said yes to that. */
  raise(limitDollars: number): void {
    this.#limitDollars = Math.max(this.limitDollars, limitDollars);
  }

  /** Counts what a person said yes to, whatever the budget is. What is returned takes that back, once. */
  accept({ plan: { costDollars = 0 } }: { plan: Plan }): () => void {
    this.#plannedDollars += costDollars;
    let isCounted = true;
    return () => {
      if (isCounted) this.#plannedDollars -= costDollars;
      isCounted = false;
    };
  }

  /** Counts what a plan costs, or refuses it; what is returned takes that back, once. What costs nothing is allowed. */
  allow({ name, plan }: { name: string; plan: Plan }): () => void {
    const costDollars = plan.costDollars ?? 0;
    if (this.covers(costDollars)) return this.accept({ plan });
    const would = `\`${name}\` would spend up to ${dollars(costDollars)} (${plan.action})`;
    if (!this.isSet) {
      throw new UsageError(`${would}, and the run has no budget`, {
        hint: "`budget: …` in the recipe, or `gpu run --budget <dollars>`, says how much it may spend",
      });
    }
    const before = this.#plannedDollars > 0 ? ` after ${dollars(this.#plannedDollars)} already planned` : "";
    throw new GpuError(`${would}${before}: the budget is ${dollars(this.limitDollars)}`, {
      hint: `\`gpu run --budget ${
        Math.ceil(this.#plannedDollars + costDollars)
      }\` allows it; a shorter lease or a cheaper type may do`,
    });
  }
}

/** What a call would do, beside what the run may spend. */
export function describePlan(
  { name, plan }: { readonly name: string; readonly plan: Plan },
  budget: Pick<RunBudget, "isSet" | "limitDollars">,
): string {
  return `\`${name}\` would ${plan.action}, at most ${dollars(plan.costDollars ?? 0)}, and ${describeLimit(budget)}.`;
}

/** The question whether a run may spend what all of it can cost, in US dollars. */
export function describeAll(
  { costDollars }: { readonly costDollars: number },
  budget: Pick<RunBudget, "isSet" | "limitDollars">,
): string {
  const limit = describeLimit(budget);
  return `${limit.charAt(0).toUpperCase()}${limit.slice(1)}. Spend up to ${dollars(costDollars)}?`;
}

/** What a call does that the budget covers, and its price. */
export function describeRent(
  { plan }: { readonly plan: Plan },
  { limitDollars }: Pick<RunBudget, "limitDollars">,
): string {
  const limit = Number.isFinite(limitDollars) ? ` of ${dollars(limitDollars)}` : "";
  return `at most ${dollars(plan.costDollars ?? 0)}${limit}: ${plan.action}`;
}

function describeLimit({ isSet, limitDollars }: Pick<RunBudget, "isSet" | "limitDollars">): string {
  return isSet ? `the budget is ${dollars(limitDollars)}` : "the run has no budget";
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}
