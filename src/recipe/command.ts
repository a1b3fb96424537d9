import { z } from "zod";
import { type Command, type Context, defineCommand, type View } from "../command.ts";
import { exitCodes, GpuError, messageOf } from "../errors.ts";
import { maskOf } from "../mask.ts";
import { readParams } from "../surface/params.ts";
import { RunBudget } from "./budget.ts";
import type { Recipe } from "./define.ts";
import { isFailure } from "./outcome.ts";
import { importRecipe, type Loaded } from "./load.ts";
import type { RecipeFile } from "./open.ts";
import type { RecipeSession } from "./session.ts";

interface CommandParts {
  readonly file: RecipeFile;
  readonly session: RecipeSession;
}

const budgetField = {
  budget: z.number().nonnegative().optional().meta({
    placeholder: "dollars",
    description: "the most it may spend, in US dollars",
  }),
};

const argsField = {
  args: z.array(z.string()).default([]).meta({ passThrough: true, description: "passed on as a list of text" }),
};

/** A loaded recipe as a command: its help, its flags and its `--json` come from the same code as every other's. */
export function recipeCommand(loaded: Exclude<Loaded, { kind: "nothing" }>, parts: CommandParts): Command {
  if (loaded.kind === "recipe") return commandOfRecipe(loaded.recipe, parts);
  return command(parts, {
    summary: `Run the function that ${parts.file.name} exports`,
    input: z.object({ ...argsField, ...budgetField }),
    work: ({ args }) => Promise.resolve(loaded.call(z.array(z.string()).parse(args))),
  });
}

/** A file that exports nothing: importing it is all there is to run. Words behind it are in `process.argv`. */
export function scriptCommand(parts: CommandParts): Command {
  return command(parts, {
    summary: `Run the script ${parts.file.name}`,
    input: z.object({ ...argsField, ...budgetField }),
    work: async ({ args }) => {
      using _lent = parts.session.lendArguments([parts.file.path, ...args]);
      await importRecipe(parts.file);
      if (parts.session.exitCode === undefined && parts.session.hasDeclared) {
        throw new GpuError(`\`${parts.file.name}\` makes a recipe and does not export it`, {
          hint: "`export default recipe({ … })`",
        });
      }
    },
  });
}

function commandOfRecipe(recipe: Recipe, parts: CommandParts): Command {
  try {
    readParams(recipe.input);
  } catch (cause) {
    throw new GpuError(`the input of \`${parts.file.name}\`: ${messageOf(cause)}`, {
      hint: "text, numbers, switches, choices, and lists of them can be flags",
      cause,
    });
  }
  // A recipe may have a parameter of that name; then the flag is its own, and `gpu run --budget 5 <file>` is the run's.
  const input = "budget" in recipe.input.shape ? recipe.input : recipe.input.extend(budgetField);
  const { summary, description } = recipe;
  return command(parts, {
    summary,
    description,
    input,
    budget: recipe.budget,
    view: recipe.view === undefined ? undefined : (result) => recipe.view?.(result),
    work: async (values) => await recipe.run("budget" in recipe.input.shape ? values : omitBudget(values)),
  });
}

interface Work<I extends z.ZodObject> {
  readonly summary: string;
  readonly description?: string | undefined;
  readonly input: I;
  readonly budget?: number | undefined;
  readonly view?: ((result: unknown) => View) | undefined;
  work(values: z.output<I>): Promise<unknown>;
}

function command<I extends z.ZodObject>(
  { file, session }: CommandParts,
  { summary, description, input, budget, view = viewOf, work }: Work<I>,
): Command {
  return defineCommand({
    name: `run ${file.name}`,
    summary,
    description,
    // What it does is judged call by call; running it is not asked for twice.
    effect: "write",
    input,
    output: z.unknown(),
    run: async (values, context) => {
      session.budget = budgetOf({ session, budget, values, context });
      // Null where there is no result: `--json` prints JSON.
      const { hideSecretFields } = await import("./secret-fields.ts");
      const logged = hideSecretFields(values, { shape: input.shape, mask: maskOf(context.world.terminal) });
      const result = await session.run(context, {
        input: logged,
        async work() {
          const result = await work(values);
          // What cannot be printed fails the run while it can still say so.
          if (view === viewOf && !session.settings.planner) viewOf(result);
          return result;
        },
      });
      // What would be done is said by `gpu run` itself.
      return session.settings.planner ? unsaid : result ?? null;
    },
    exitCode: (result) => session.exitCode ?? (isFailure(result) ? exitCodes.failed : exitCodes.done),
    // A run that was ended has no result.
    view: (result) => result === null || result === unsaid ? undefined : view(result),
  });
}

/** A flag says it first, then the recipe; `--yes` alone leaves it open. */
function budgetOf(
  { session, budget, values, context }: {
    session: RecipeSession;
    budget: number | undefined;
    values: Record<string, unknown>;
    context: Context;
  },
): RunBudget {
  if (typeof values["budget"] === "number") return new RunBudget(values["budget"]);
  if (session.budget.isSet) return session.budget;
  return new RunBudget(budget ?? (context.globals.yes ? Infinity : undefined));
}

function omitBudget(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key !== "budget"));
}

/** Has no words in JSON either. */
const unsaid = { toJSON: () => undefined };

/** A recipe may return what JSON has no words for; that is the recipe's fault. */
function jsonText(result: unknown): string {
  try {
    return JSON.stringify(result, null, 2);
  } catch (cause) {
    throw new GpuError(`the result of the recipe cannot be printed: ${messageOf(cause)}`, {
      hint: "return text, numbers, booleans, and lists and objects of them",
      cause,
    });
  }
}

/** Text is printed as it is, other values as JSON; that it succeeded is said by the exit code. */
function viewOf(result: unknown): View {
  if (result === null || result === undefined) return undefined;
  if (typeof result === "string") return result;
  if (Array.isArray(result) && result.length > 0 && result.every((item) => item === undefined)) return undefined;
  if (typeof result === "object" && Object.keys(result).every((key) => key === "success")) return undefined;
  return jsonText(result);
}
