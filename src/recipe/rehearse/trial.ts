import { z } from "zod";
import { type Command, type CommandEntry, type Context, defineCommand } from "../../command.ts";
import { exitCodes, GpuError } from "../../errors.ts";
import { RunBudget } from "../budget.ts";
import { recipeCommand } from "../command.ts";
import type { Recipe } from "../define.ts";
import { readPlaces } from "../frames.ts";
import { RecipeSession } from "../session.ts";
import { heardTerminal } from "./heard.ts";
import { type RehearsalReport, rehearse } from "./rehearse.ts";
import { testHost } from "./test-host.ts";
import type { TestedCall, TestedRecipe, TestRecipeOptions } from "./test-recipe.ts";

interface Outcome<T> {
  returned?: { readonly result: T };
  error?: Error;
  report?: RehearsalReport;
}

/** Runs a recipe as `gpu run` would, in a rehearsal of its own. */
export async function tryRecipe<T, I extends z.ZodObject>(
  recipe: Recipe<I, T>,
  options: TestRecipeOptions<I>,
): Promise<TestedRecipe<T>> {
  const host = testHost();
  const calls: TestedCall[] = [];
  const outcome: Outcome<T> = {};
  const { terminal, said } = heardTerminal();
  const trial = defineCommand({
    name: trialName,
    summary: "Try a recipe out",
    effect: "write",
    input: z.object({}),
    output: z.number(),
    run: (_, context) => runTrial(context, { recipe, options, outcome }),
    exitCode: (exitCode) => exitCode,
    view: () => undefined,
  });
  const exitCode = await host.runApp([trialName], {
    world: { ...host.world, clock: options.clock ?? host.world.clock, terminal },
    signal: new AbortController().signal,
    version: host.version,
    entries: [...host.entries.map((entry) => recorded(entry, calls)), {
      ...{ name: trialName, summary: trial.summary, effect: trial.effect },
      load: () => Promise.resolve(trial),
    }],
  });
  const { returned, error, report } = outcome;
  if (report === undefined) throw new GpuError(`the recipe could not be tried out: ${said().trim()}`);
  return {
    get result(): T {
      if (returned) return returned.result;
      throw error ?? new GpuError(`the recipe ended with ${exitCode} and returned nothing`);
    },
    ...{ error, exitCode, calls },
    rented: report.instances,
    costDollars: report.costDollars,
    leftBehind: report.left.map(({ id }) => id),
    broke: report.broke,
    said: said(),
  };
}

/** No command has this name: what people type is looked up in a list without it. */
const trialName = "trial";

async function runTrial<T, I extends z.ZodObject>(
  context: Context,
  { recipe, options, outcome }: { recipe: Recipe<I, T>; options: TestRecipeOptions<I>; outcome: Outcome<T> },
): Promise<number> {
  const { provider = "local", faults, chaos, seed = 1, budget, input = {} } = options;
  const emulate = provider === "lambda" ? provider : undefined;
  // What a rehearsal says of itself is in what is returned.
  const rehearsal = await rehearse({ ...context, note: () => {} }, { emulate, faults, chaos, seed, bootMs: 0 });
  const session = new RecipeSession({ name: recipe.summary, budget: new RunBudget(budget) });
  try {
    const parsed = recipe.input.safeParse(input);
    if (!parsed.success) throw new GpuError(`the input of the recipe: ${z.prettifyError(parsed.error)}`);
    const tried: Recipe = {
      ...{ kind: "recipe", summary: recipe.summary, budget: recipe.budget, input: z.object({}) },
      run: async () => {
        outcome.returned = { result: await recipe.run(parsed.data) };
        return outcome.returned.result;
      },
    };
    const file = { path: context.world.cwd, name: recipe.summary, source: "", shape: "module", from: "file" } as const;
    const command = recipeCommand({ kind: "recipe", recipe: tried }, { file, session });
    return await rehearsal.context.invoke(command, []);
  } catch (error) {
    outcome.error = error instanceof Error ? withoutOwnFrames(error) : new GpuError(String(error));
    // What was returned does not count where the run failed behind it.
    delete outcome.returned;
    return error instanceof GpuError ? error.exitCode : exitCodes.bug;
  } finally {
    await session.end(rehearsal.context);
    outcome.report = await rehearsal.end();
  }
}

/**
 * A test that fails prints the source of what an error comes from: that is to be the recipe, not all of this. Where no
 * place is left Bun would print those it remembers, so one is put there.
 */
function withoutOwnFrames(error: Error): Error {
  let each: unknown = error;
  for (let depth = 0; depth < 10 && each instanceof Error; depth++, each = each.cause) {
    // A message may name places, too, and Bun would take them for its own.
    const places = readPlaces((each.stack ?? "").split(each.message).at(-1) ?? "");
    const frames = places.map(({ file, line, column }) => `${file}:${line}:${column}`);
    const [shown = ""] = each.message.split("\n", 1);
    each.stack = [`${each.name}: ${shown}`, ...(frames.length > 0 ? frames : ["testRecipe (gpu)"])].join("\n    at ");
  }
  return error;
}

/** The same command, whose calls are written down. */
function recorded(entry: CommandEntry, calls: TestedCall[]): CommandEntry {
  const begin = (input: Record<string, unknown>) => {
    const call: { -readonly [K in keyof TestedCall]: TestedCall[K] } = { name: entry.name, input, error: undefined };
    calls.push(call);
    return (error: unknown) => {
      call.error = error instanceof Error ? error.message : String(error);
    };
  };
  return {
    ...entry,
    load: async (): Promise<Command> => {
      const command = await entry.load();
      if (command.kind === "value") {
        return {
          ...command,
          run: async (input, context) => {
            const fail = begin(input);
            return await command.run(input, context).catch((error) => {
              fail(error);
              throw error;
            });
          },
        };
      }
      return {
        ...command,
        async *run(input, context) {
          const fail = begin(input);
          try {
            yield* command.run(input, context);
          } catch (error) {
            fail(error);
            throw error;
          }
        },
      };
    },
  };
}
