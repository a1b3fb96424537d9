import { z } from "zod";
import { defineCommand } from "../command.ts";
import { groupings } from "../rent/cost.ts";

export default defineCommand({
  name: "cost",
  summary: "Show what was spent, from the journal of this computer",
  description:
    "Price × time of each instance, from its launch until it was gone, or until its end was accepted where the provider\n" +
    "charges no longer. The provider's bill may round otherwise.",
  effect: "read",
  examples: [
    { command: "gpu cost", says: "by instance" },
    { command: "gpu cost --by day --since 30d", says: "the last thirty days" },
  ],
  input: z.object({
    by: z.enum(groupings).default("instance").describe("what to add up"),
    since: z.string().optional().meta({
      placeholder: "when",
      description: "only what was spent since then: a date like 2026-01-31, or a span like `7d`",
    }),
  }),
  output: z.array(z.object({
    group: z.string().describe("instance, run, recipe, provider or day"),
    instances: z.number().int().describe("how many instances"),
    hours: z.number().describe("hours they ran, added up"),
    costDollars: z.number().describe("US dollars"),
  })),
  async run({ by, since }, context) {
    const { costs } = await import("../rent/cost.ts");
    const { timeOf } = await import("../duration.ts");
    const now = context.world.clock.now();
    const journal = await context.journal();
    if (journal.problem !== undefined) throw journal.problem;
    return costs({ journal, now, by, since: since === undefined ? 0 : timeOf(since, now) });
  },
  view: (groups) => ({
    columns: ["what", "instances", "hours", "cost"],
    rows: [...groups, ...totalOf(groups)].map(({ group, instances, hours, costDollars }) => [
      group,
      String(instances),
      hours.toFixed(2),
      `$${costDollars.toFixed(2)}`,
    ]),
    narrow: [{ column: "instances" }, { column: "what", min: 20 }],
    empty: "nothing was spent",
  }),
});

function totalOf(groups: readonly { instances: number; hours: number; costDollars: number }[]) {
  if (groups.length < 2) return [];
  const sum = (pick: (group: (typeof groups)[number]) => number) =>
    groups.reduce((total, group) => total + pick(group), 0);
  return [{
    group: "total",
    instances: sum(({ instances }) => instances),
    hours: sum(({ hours }) => hours),
    costDollars: sum(({ costDollars }) => costDollars),
  }];
}
