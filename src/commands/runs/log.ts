import { z } from "zod";
import { defineStream } from "../../command.ts";
import { clockText, plainText } from "../../runs/text.ts";

export default defineStream({
  name: "runs log",
  summary: "Print what a run printed and did",
  description:
    "What the recipe and its steps printed, each line with its time and step. Large logs keep their newer half.",
  effect: "read",
  examples: [
    { command: "gpu runs log", says: "of the last run" },
    { command: "gpu runs log 5f3a --follow", says: "until the run ends" },
  ],
  input: z.object({
    run: z.string().optional().meta({
      positional: true,
      complete: "run",
      description: "id of the run, or its beginning; the last one when left out",
    }),
    follow: z.boolean().default(false).meta({ short: "f", description: "go on until the run ends" }),
  }),
  output: z.object({
    time: z.iso.datetime().describe("when it happened"),
    kind: z.enum(["output", "note", "step", "ended"]).describe(
      "output: a line that was printed; note: a fact of gpu; step: the end of a step; ended: the end of the run",
    ),
    step: z.string().nullable().describe("step it belongs to, null where that is the recipe itself"),
    text: z.string().describe("the line"),
  }),
  async *run({ run, follow }, context) {
    const { logLines } = await import("../../recipe/log-lines.ts");
    yield* logLines(run, { follow, context });
  },
  view: ({ time, kind, step, text }) => {
    const at = clockText(Date.parse(time));
    if (kind === "output" && step !== null) return `${at} ${step} | ${plainText(text)}`;
    return `${at} ${plainText(text)}`;
  },
});
