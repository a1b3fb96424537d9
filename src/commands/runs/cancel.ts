import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { RunSummary } from "../../runs/runs.ts";

export default defineCommand({
  name: "runs cancel",
  summary: "End a run as Ctrl-C does, and wait for its end",
  description:
    "It gives back what it rented before it ends. A second time, where it does not end, ends its process at once;\n" +
    "what it rented is then given back by the background process.",
  effect: "write",
  examples: [
    { command: "gpu runs cancel 5f3a", says: "and wait until what it rented is given back" },
    { command: "gpu runs cancel 5f3a --force", says: "where its code does not come back" },
  ],
  input: z.object({
    run: z.string().meta({ positional: true, complete: "run", description: "id of the run, or its beginning" }),
    force: z.boolean().default(false).describe("kill its process; others give back what it rented"),
  }),
  output: RunSummary,
  async run(input, context) {
    const { cancelRun } = await import("../../recipe/cancel-run.ts");
    return await cancelRun(input, context);
  },
  view: ({ id, state, kept }) => [
    state === "interrupted" || state === "died" ? `${id} is ended` : `${id} ended by itself: ${state}`,
    ...(kept.length === 0 ? [] : [{ stderr: `it kept ${kept.map((one) => one.id).join(", ")}` }]),
  ],
});
