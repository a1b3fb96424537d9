import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { localTimeText } from "../../duration.ts";
import { listRuns, RunSummary } from "../../runs/runs.ts";
import { moneyText, timeText } from "../../runs/text.ts";

export default defineCommand({
  name: "runs list",
  summary: "List the runs of recipes",
  description: "The newest first. Logs of runs are kept for 30 days, and 200 at most.",
  effect: "read",
  examples: [
    { command: "gpu runs list", says: "what was run, how it ended and what it cost" },
    { command: "gpu runs list --running", says: "only what goes on" },
  ],
  input: z.object({
    running: z.boolean().default(false).describe("only those that go on"),
    count: z.number().int().min(1).default(20).meta({ short: "n", description: "so many at most" }),
  }),
  output: z.array(RunSummary),
  async run({ running, count }, { world }) {
    const runs = await listRuns(world);
    return runs.filter(({ state }) => !running || state === "running").slice(0, count);
  },
  view: (runs) => ({
    columns: ["RUN", "RECIPE", "STATE", "BEGAN", "TOOK", "COST"],
    rows: runs.map(({ id, recipe, state, startedAt, seconds, costDollars, exitCode }) => [
      id,
      recipe,
      state === "failed" ? `failed (${exitCode})` : state,
      localTimeText(Date.parse(startedAt)),
      timeText(seconds * 1000),
      costDollars === null ? "-" : moneyText(costDollars),
    ]),
    empty: "no run has a log; `gpu run <file>` runs a recipe",
    narrow: [{ column: "BEGAN" }, { column: "RECIPE", min: 12 }, { column: "TOOK" }],
  }),
});
