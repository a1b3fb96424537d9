import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { exitCodes } from "../../errors.ts";
import { RunSummary } from "../../runs/runs.ts";

export default defineCommand({
  name: "runs attach",
  summary: "Follow a run until it ends",
  description: "Shows it as `gpu run` does. Ctrl-C leaves it going on; the exit code is that of the run.",
  effect: "read",
  examples: [
    { command: "gpu runs attach", says: "the last run" },
    { command: "gpu runs attach 5f3a", says: "the one whose id begins like that" },
  ],
  input: z.object({
    run: z.string().optional().meta({
      positional: true,
      complete: "run",
      description: "id of the run, or its beginning; the last one when left out",
    }),
  }),
  output: RunSummary.extend({ isLeft: z.boolean().describe("whether it goes on, and was only left") }),
  async run({ run }, context) {
    const { attachRun } = await import("../../recipe/attach-run.ts");
    return await attachRun(run, context);
  },
  exitCode: ({ isLeft, exitCode, state }) =>
    isLeft ? exitCodes.done : exitCode ?? (state === "died" ? exitCodes.failed : exitCodes.done),
  view: ({ id, isLeft, state, exitCode }) => {
    if (isLeft) {
      return { stderr: `${id} goes on; \`gpu runs attach ${id}\` follows it again, \`gpu runs cancel ${id}\` ends it` };
    }
    if (state === "died") {
      return { stderr: `${id} died: its process was killed; what it rented is given back by others` };
    }
    return state === "done" ? undefined : { stderr: `${id} ended with ${exitCode}` };
  },
});
