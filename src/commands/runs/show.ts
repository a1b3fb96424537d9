import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { localTimeText, spanText } from "../../duration.ts";
import { RunSummary } from "../../runs/runs.ts";
import { firstLineOf, moneyText, timeText } from "../../runs/text.ts";

export default defineCommand({
  name: "runs show",
  summary: "Show the steps of a run, their time and cost",
  effect: "read",
  examples: [
    { command: "gpu runs show", says: "the last run" },
    { command: "gpu runs show 5f3a", says: "the one whose id begins like that" },
  ],
  input: z.object({
    run: z.string().optional().meta({
      positional: true,
      complete: "run",
      description: "id of the run, or its beginning; the last one when left out",
    }),
  }),
  output: RunSummary.extend({
    input: z.unknown().describe("parameters of the recipe"),
    budgetDollars: z.number().nullable().describe("what it may spend, in US dollars"),
    resumes: z.string().nullable().describe("the run that it went on from"),
    error: z.string().nullable().describe("why it failed"),
    result: z.unknown().describe("what the recipe returned"),
    steps: z.array(z.object({
      name: z.string().describe("call, command or key of the step; two spaces before it for each step that it is in"),
      seconds: z.number().describe("how long it took, or takes until now"),
      costDollars: z.number().nullable().describe("what it rented has cost until now; null where it rented nothing"),
      state: z.enum(["running", "done", "failed", "interrupted"]).describe("how it stands"),
      error: z.string().nullable().describe("what it failed with, or was ended by"),
      bar: z.string().describe("when it began and how long it took, as a bar in 24 cells"),
    })).describe("in the order in which they began"),
  }),
  async run({ run }, context) {
    const { showRun } = await import("../../recipe/show-run.ts");
    return await showRun(run, context);
  },
  view: (run, { now }) => [
    [
      `${run.id} ${run.recipe}: ${run.state}${run.exitCode === null ? "" : ` (exit ${run.exitCode})`}`,
      `began ${localTimeText(Date.parse(run.startedAt))}, ${run.endedAt === null ? "runs for" : "took"} ${
        timeText(run.seconds * 1000)
      }${run.costDollars === null ? "" : `, cost ${moneyText(run.costDollars)}`}`,
      ...(run.error === null ? [] : [`error: ${firstLineOf(run.error)}`]),
      ...run.kept.map(({ id, until }) =>
        Date.parse(until) > now
          ? `${id} is kept for ${spanText(Date.parse(until) - now)}; \`gpu stop ${id}\` ends it`
          : `${id} was kept`
      ),
      "",
    ].join("\n").trimEnd(),
    ...(run.steps.length === 0 ? [] : [{
      columns: ["STEP", "TOOK", "COST", "WHEN"],
      rows: run.steps.map(({ name, seconds, costDollars, state, bar }) => [
        state === "done" ? name : `${name} (${state})`,
        timeText(seconds * 1000),
        costDollars === null ? "-" : moneyText(costDollars),
        bar,
      ]),
      narrow: [{ column: "STEP", min: 16 }, { column: "WHEN" }],
    }]),
  ],
});
