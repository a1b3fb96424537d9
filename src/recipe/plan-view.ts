import type { View } from "../command.ts";

/** What a run would do, as `gpu run --dry-run --json` says it. */
export interface RunPlan {
  readonly plan: readonly { readonly call: string; readonly action: string; readonly costDollars: number }[];
  /** The most it can cost, in US dollars. */
  readonly costDollars: number;
  /** Why the plan ends before the recipe does. */
  readonly endsBecause: string | null;
}

/** A plan as a person reads it. */
export function planView({ plan, costDollars, endsBecause }: RunPlan): View {
  const rows = plan.map((step) => [step.call, step.action, step.costDollars > 0 ? dollars(step.costDollars) : "-"]);
  const total = dollars(costDollars);
  return [
    { columns: ["CALL", "DOES", "AT MOST"], rows, empty: "it would do nothing but look" },
    {
      stderr: endsBecause === null
        ? `it would cost at most ${total}`
        : `the plan ends here, at most ${total}: ${endsBecause}`,
    },
  ];
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}
