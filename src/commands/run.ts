import { z } from "zod";
import { type Command, type Context, defineCommand } from "../command.ts";
import { GpuError } from "../errors.ts";
import type { RecipeFile } from "../recipe/load.ts";

export default defineCommand({
  name: "run",
  summary: "Run a recipe",
  description:
    'A recipe is a TypeScript file that exports `recipe({ … })` and imports what it needs from "gpu". Its types are checked\n' +
    "before any of it runs, its parameters are flags behind the file, and what it rents is given back when it ends, however that is.",
  // Each call in it is judged by itself: what spends needs the recipe's budget.
  effect: "write",
  examples: [
    { command: "gpu run test-on-gpu.ts --dir .", says: "with a parameter of the recipe" },
    { command: "gpu run test-on-gpu.ts --help", says: "what it does and takes" },
    { command: "gpu run --budget 10 train.ts", says: "may spend $10, whatever the recipe says" },
  ],
  input: z.object({
    file: z.string().meta({ positional: true, complete: "file", description: "file of the recipe" }),
    args: z.array(z.string()).default([]).meta({ passThrough: true, description: "parameters of the recipe" }),
    budget: z.number().nonnegative().optional().meta({
      placeholder: "dollars",
      description: "the most it may spend, in US dollars",
    }),
    check: z.boolean().default(true).describe("check its types first"),
  }),
  output: z.object({ exitCode: z.number().int().describe("exit code of the recipe") }),
  async run({ file: argument, args, budget, check }, context) {
    const { openRecipe } = await import("../recipe/load.ts");
    const file = await openRecipe(argument, context.world);
    if (check) await checkTypes(file, context);
    const { RecipeSession } = await import("../recipe/session.ts");
    const { RunBudget } = await import("../recipe/budget.ts");
    const { provideModule } = await import("../recipe/provide.ts");
    provideModule();
    const session = new RecipeSession({ name: file.name, budget: new RunBudget(budget) });
    try {
      const command = await loadCommand({ file, session, context });
      return Shown.of(command === undefined ? session.exitCode ?? 0 : await context.invoke(command, args));
    } finally {
      await session.end(context);
    }
  },
  exitCode: ({ exitCode }) => exitCode,
  view: () => undefined,
});

/** The recipe's own result was printed already: `--json` has nothing to add. */
class Shown {
  readonly exitCode: number;

  private constructor(exitCode: number) {
    this.exitCode = exitCode;
  }

  static of(exitCode: number): Shown {
    return new Shown(exitCode);
  }

  toJSON(): undefined {
    return undefined;
  }
}

async function checkTypes({ path, name }: RecipeFile, { world, signal, progress, note }: Context): Promise<void> {
  const { checkRecipe, describeDiagnostics, isOutdated } = await import("../recipe/check.ts");
  progress(`checking ${name}`);
  const diagnostics = await checkRecipe(path, world, signal);
  progress(undefined);
  if (diagnostics.length > 0) {
    throw new GpuError(
      `\`${name}\` does not type-check, and nothing of it was run\n${describeDiagnostics(diagnostics)}`,
      {
        hint: "`gpu run --no-check` runs it all the same",
      },
    );
  }
  if (await isOutdated(path, world)) {
    note("the gpu.d.ts beside the recipe is of another version of gpu; `gpu recipe init` renews it");
  }
}

/** Undefined: the file ended the run while it was imported. */
async function loadCommand(
  { file, session, context }: {
    file: RecipeFile;
    session: import("../recipe/session.ts").RecipeSession;
    context: Context;
  },
): Promise<Command | undefined> {
  const { recipeCommand, scriptCommand } = await import("../recipe/command.ts");
  if (file.shape === "script") return scriptCommand({ file, session });
  const { importRecipe } = await import("../recipe/load.ts");
  const loaded = await session.load(context, () => importRecipe(file));
  if (loaded === undefined) return undefined;
  if (loaded.kind === "nothing") {
    throw new GpuError(`the default export of \`${file.name}\` is undefined`, {
      hint: "`export default recipe({ … })`",
    });
  }
  return recipeCommand(loaded, { file, session });
}
