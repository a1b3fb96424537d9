import { z } from "zod";
import { defineCommand, type View } from "../command.ts";
import { planView } from "../recipe/plan-view.ts";

export default defineCommand({
  name: "run",
  summary: "Run a recipe",
  description:
    'A recipe is a TypeScript file that exports `recipe({ … })` and imports what it needs from "gpu". Its types are checked\n' +
    "before any of it runs, its parameters are flags behind the file, and what it rents is given back when it ends, however that is.\n" +
    "What no budget covers is planned and asked for on a terminal, and refused elsewhere.\n" +
    "The flags below may stand before or behind the file; `gpu runs` shows what was run.",
  // Each call in it is judged by itself: what spends needs the recipe's budget.
  effect: "write",
  // What it rented is given back before it ends.
  endsInItsTime: true,
  examples: [
    { command: "gpu run test-on-gpu.ts --dir .", says: "with a parameter of the recipe" },
    { command: "gpu run test-on-gpu.ts --help", says: "what it does and takes" },
    { command: "gpu run train.ts --dry-run", says: "what it would do, and what that costs" },
    { command: "gpu run train.ts --budget 10 --detach", says: "in the background, for at most $10" },
    { command: "gpu run train.ts --resume 5f3a", says: "go on from a run, with its instances and finished steps" },
    {
      command: "gpu run train.ts --emulate lambda --chaos 20",
      says: "try it where everything breaks and nothing costs",
    },
  ],
  input: z.object({
    file: z.string().meta({
      positional: true,
      complete: "recipe|file",
      description: "file of the recipe, or `@name` of one that comes with gpu",
    }),
    args: z.array(z.string()).default([]).meta({ passThrough: true, description: "parameters of the recipe" }),
    budget: z.number().nonnegative().optional().meta({
      placeholder: "dollars",
      description: "the most it may spend, in US dollars",
    }),
    check: z.boolean().default(true).describe("check its types first"),
    dryRun: z.boolean().default(false).describe("say what it would do and cost; only what looks at something is done"),
    detach: z.boolean().default(false).describe("run it in the background; `gpu runs attach` follows it"),
    resume: z.string().optional().meta({
      placeholder: "run",
      complete: "run",
      description: "go on from that run: with its live instances, and without the steps that it finished",
    }),
    keepOnFailure: z.number().positive().max(720).optional().meta({
      placeholder: "hours",
      implied: "1",
      description: "when it fails, keep what it rented for so many hours; 1 when no number is given",
    }),
    watch: z.boolean().default(false).describe("run it again whenever it, or what it imports, changes"),
    logFile: z.string().optional().meta({
      placeholder: "file",
      complete: "file",
      description: "add what its steps do and print to this file",
    }),
    emulate: z.enum(["lambda"]).optional().describe(
      "run it against this cloud as `gpu emulate` serves it: nothing costs",
    ),
    faults: z.array(z.string()).default([]).meta({
      placeholder: "preset",
      description: "with `--emulate`: what goes wrong there, as in `gpu emulate lambda`",
    }),
    chaos: z.number().min(0).max(100).optional().meta({
      placeholder: "percent",
      description: "break so many of a hundred requests, connections and instances; nothing that costs is used",
    }),
    seed: z.number().int().nonnegative().optional().describe(
      "decides what `--chaos` and `--faults` break; drawn when left out",
    ),
    asRun: z.string().regex(/^[0-9a-f]{12}$/).optional().meta({ hidden: true, description: "id of the run" }),
  }),
  output: z.object({
    exitCode: z.number().int().describe("exit code of the recipe"),
    run: z.string().nullable().describe("id of the run that goes on in the background"),
    plan: z.array(z.object({
      call: z.string().describe("as the recipe writes it"),
      action: z.string().describe("what it would do"),
      costDollars: z.number().describe("the most it can cost, in US dollars"),
    })).nullable().describe("with `--dry-run`, what it would do"),
    costDollars: z.number().nullable().describe("the most the plan can cost, in US dollars"),
    endsBecause: z.string().nullable().describe("why the plan ends before the recipe does"),
  }),
  async run(input, context) {
    const { startRecipe } = await import("../recipe/start.ts");
    return await startRecipe(input, context);
  },
  exitCode: ({ exitCode }) => exitCode,
  view: ({ plan, costDollars, endsBecause, run }): View => {
    if (run !== null) return run;
    if (plan === null) return undefined;
    return planView({ plan, costDollars: costDollars ?? 0, endsBecause });
  },
});
