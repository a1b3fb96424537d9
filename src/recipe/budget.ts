import type { Plan } from "../command.ts";
import { GpuError, UsageError } from "../errors.ts";

/** What a run may spend: price × lease of everything it rents, counted before it is rented. */
export class RunBudget {
  readonly #limitDollars: number;
  #plannedDollars = 0;

  /** `undefined`: nobody said what it may spend, so it may not. `Infinity`: `--yes`. */
  constructor(limitDollars: number | undefined) {
    this.#limitDollars = limitDollars ?? 0;
    this.isSet = limitDollars !== undefined;
  }

  readonly isSet: boolean;

  /** The most it may spend, in US dollars. */
  get limitDollars(): number {
    return this.#limitDollars;
  }

  /** Counts what a person said yes to, whatever the budget is. */
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
    if (costDollars === 0) return () => {};
    if (!this.isSet) {
      throw new UsageError(
        `\`${name}\` would spend up to ${dollars(costDollars)} (${plan.action}), and the run has no budget`,
        {
          hint: "`budget: …` in the recipe, or `gpu run --budget <dollars>`, says how much it may spend",
        },
      );
    }
    const totalDollars = this.#plannedDollars + costDollars;
    if (totalDollars > this.#limitDollars + 1e-9) {
      const before = this.#plannedDollars > 0 ? ` after ${dollars(this.#plannedDollars)} already planned` : "";
      throw new GpuError(
        `\`${name}\` would spend up to ${dollars(costDollars)} (${plan.action})${before}: the budget is ${
          dollars(this.#limitDollars)
        }`,
        {
          hint: `\`gpu run --budget ${Math.ceil(totalDollars)}\` allows it; a shorter lease or a cheaper type may do`,
        },
      );
    }
    this.#plannedDollars = totalDollars;
    let isCounted = true;
    return () => {
      if (isCounted) this.#plannedDollars -= costDollars;
      isCounted = false;
    };
  }
}

/** What a call would do, beside what the run may spend. */
export function describePlan(
  { name, plan }: { readonly name: string; readonly plan: Plan },
  budget: Pick<RunBudget, "isSet" | "limitDollars">,
): string {
  const limit = budget.isSet ? `the budget is ${dollars(budget.limitDollars)}` : "the run has no budget";
  return `\`${name}\` would ${plan.action}, at most ${dollars(plan.costDollars ?? 0)}, and ${limit}.`;
}

/** What a call does that the budget covers, and its price. */
export function describeRent(
  { plan }: { readonly plan: Plan },
  { limitDollars }: Pick<RunBudget, "limitDollars">,
): string {
  const limit = Number.isFinite(limitDollars) ? ` of ${dollars(limitDollars)}` : "";
  return `at most ${dollars(plan.costDollars ?? 0)}${limit}: ${plan.action}`;
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}
