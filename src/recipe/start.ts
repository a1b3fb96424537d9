import type { Command, Context } from "../command.ts";
import { GpuError, UsageError } from "../errors.ts";
import { takeRunFlags } from "./run-flags.ts";
import type { Diagnostic } from "./check.ts";
import type { RecipeFile } from "./open.ts";
import type { RecipeSession } from "./session.ts";

/** What `gpu run` was asked for. */
export interface RunRequest {
  readonly file: string;
  readonly args: readonly string[];
  readonly budget?: number | undefined;
  readonly check: boolean;
  readonly dryRun: boolean;
  readonly detach: boolean;
  readonly resume?: string | undefined;
  readonly keepOnFailure?: number | undefined;
  readonly watch: boolean;
  readonly logFile?: string | undefined;
  readonly emulate?: "lambda" | undefined;
  readonly faults: readonly string[];
  readonly chaos?: number | undefined;
  readonly seed?: number | undefined;
  /** The id that a run in the background was given. */
  readonly asRun?: string | undefined;
}

/** What became of it. */
export class RunAnswer {
  readonly exitCode: number;
  readonly run: string | null;
  readonly plan: { call: string; action: string; costDollars: number }[] | null;
  readonly costDollars: number | null;
  readonly endsBecause: string | null;

  constructor(
    { exitCode, run = null, plan = null, costDollars = null, endsBecause = null }:
      & Pick<RunAnswer, "exitCode">
      & Partial<Pick<RunAnswer, "run" | "plan" | "costDollars" | "endsBecause">>,
  ) {
    this.exitCode = exitCode;
    this.run = run;
    this.plan = plan;
    this.costDollars = costDollars;
    this.endsBecause = endsBecause;
  }

  /** A recipe's own result was printed already: then `--json` has nothing to add. */
  toJSON(): object | undefined {
    return this.run === null && this.plan === null ? undefined : { ...this };
  }
}

/** Runs a recipe: checks its types, and does what the flags say. */
export async function startRecipe(asked: RunRequest, context: Context): Promise<RunAnswer> {
  const request = takeRunFlags(asked);
  const { takeAhead } = await import("./ahead.ts");
  const { openRecipe } = await import("./open.ts");
  const ahead = takeAhead(request.file, context.world);
  const file = ahead?.file ?? await openRecipe(request.file, context.world);
  if (request.watch) {
    const { watchRecipe } = await import("./watch.ts");
    return new RunAnswer({ exitCode: await watchRecipe(context, { file, request }) });
  }
  // What comes next is loaded while the checker runs, in a process of its own.
  if (request.check) await Promise.all([checkTypes(file, ahead?.diagnostics, context), loadAhead()]);
  if (request.detach) {
    const { runDetached } = await import("./detach.ts");
    await allowBeside(file, request);
    return await answered(context, {
      request,
      answer: new RunAnswer({ exitCode: 0, run: await runDetached(context, { file, request }) }),
    });
  }
  if (request.emulate === undefined && request.chaos === undefined && request.faults.length === 0) {
    return await answered(context, { request, answer: await runOnce(context, { file, request }) });
  }
  const { rehearse } = await import("./rehearse/rehearse.ts");
  const { emulate, chaos, seed } = request;
  const faults = request.faults.length === 0 ? undefined : request.faults;
  const rehearsal = await rehearse(context, { emulate, chaos, seed, faults });
  let answer: RunAnswer | undefined;
  let report: Awaited<ReturnType<typeof rehearsal.end>> | undefined;
  try {
    answer = await runOnce(rehearsal.context, { file, request });
  } finally {
    report = await rehearsal.end();
  }
  return new RunAnswer({ ...answer, exitCode: report.exitCode ?? answer.exitCode });
}

/** A recipe that starts another one in the background pays for it: that one's whole budget counts. */
async function allowBeside({ name }: RecipeFile, { budget }: RunRequest): Promise<void> {
  const { findRun } = await import("./current.ts");
  const run = findRun();
  if (run === undefined) return;
  if (budget === undefined) {
    throw new UsageError("`gpu.run`: `detach` in a recipe needs a `budget`, which counts against that of this run");
  }
  await run.allow({ name: "gpu.run", plan: { action: `run ${name} in the background`, costDollars: budget } });
}

/** Flags as `--json` may stand behind the file, and hold for what `gpu run` itself has to say as well. */
async function answered(
  context: Context,
  { request, answer }: { request: RunRequest; answer: RunAnswer },
): Promise<RunAnswer> {
  if (answer.toJSON() === undefined || !request.args.includes("--json")) return answer;
  const { answerCommand } = await import("./answer.ts");
  await context.invoke(answerCommand(answer), ["--json"]);
  return new RunAnswer({ exitCode: answer.exitCode });
}

/** A recipe that was found, and how it is to be run. */
export interface Started {
  readonly file: RecipeFile;
  readonly request: RunRequest;
}

async function runOnce(context: Context, { file, request }: Started): Promise<RunAnswer> {
  const { RecipeSession } = await import("./session.ts");
  const { RunBudget } = await import("./budget.ts");
  const { provideModule } = await import("./provide.ts");
  provideModule();
  const settings = await settingsOf(context, { file, request });
  // A plan spends nothing, whatever it comes to.
  const limit = request.dryRun ? Infinity : request.budget;
  const session = new RecipeSession({ name: file.name, budget: new RunBudget(limit), settings });
  try {
    const command = await loadCommand({ file, session, context });
    const exitCode = command === undefined
      ? session.exitCode ?? 0
      : await context.invoke(command, request.args, { runId: request.asRun });
    const { planner } = settings;
    if (planner === undefined) return new RunAnswer({ exitCode });
    const { steps, costDollars, end } = planner;
    return new RunAnswer({ exitCode: 0, plan: steps, costDollars, endsBecause: end?.message ?? null });
  } finally {
    await session.end(context);
  }
}

async function settingsOf(context: Context, { file, request }: Started): Promise<RecipeSession["settings"]> {
  const { resume, keepOnFailure, logFile, asRun, dryRun } = request;
  if (dryRun) {
    const { Planner } = await import("./planner.ts");
    return { planner: new Planner() };
  }
  const { Memory } = await import("./memory.ts");
  const { contentKey } = await import("./check.ts");
  const content = contentKey(file.path);
  const isRehearsal = request.emulate !== undefined || request.chaos !== undefined;
  const memory = resume === undefined
    ? Memory.empty()
    : await Memory.of(resume, context, { name: file.name, file: file.path, content });
  return {
    memory,
    // A rehearsal spends nothing, and what is gone on from is rented already.
    plan: isRehearsal || resume !== undefined ? undefined : async (asking) => {
      const { planApart } = await import("./plan-apart.ts");
      return await planApart(asking, { file, request });
    },
    keepHours: keepOnFailure,
    record: {
      ...{ recipe: file.name, file: file.path, content, logFile, resumes: memory.resumes },
      isDetached: asRun !== undefined,
      isRehearsal,
    },
  };
}

/** Where there are two processors, the first run of a recipe is faster by the time that this takes. */
async function loadAhead(): Promise<void> {
  const [{ provideModule }] = await Promise.all([
    import("./provide.ts"),
    ...[import("./session.ts"), import("./command.ts"), import("./memory.ts"), import("./budget.ts")],
    ...[import("./load.ts"), import("./record.ts"), import("./secret-fields.ts")],
  ]);
  provideModule();
}

async function checkTypes(
  { path, name }: RecipeFile,
  ahead: Promise<Diagnostic[]> | undefined,
  { world, signal, progress, note }: Context,
): Promise<void> {
  const { checkRecipe, describeDiagnostics, isOutdated } = await import("./check.ts");
  progress(`checking ${name}`);
  const diagnostics = await (ahead ?? checkRecipe(path, world, { signal }));
  progress(undefined);
  if (diagnostics.length > 0) {
    throw new GpuError(
      `\`${name}\` does not type-check, and nothing of it was run\n${describeDiagnostics(diagnostics)}`,
      {
        hint: "`gpu run --no-check` runs it all the same",
      },
    );
  }
  if (await isOutdated(path)) {
    note("the gpu.d.ts beside the recipe is of another version of gpu; `gpu recipe init` renews it");
  }
}

/** Undefined: the file ended the run while it was imported. */
async function loadCommand(
  { file, session, context }: {
    file: RecipeFile;
    session: RecipeSession;
    context: Context;
  },
): Promise<Command | undefined> {
  const { recipeCommand, scriptCommand } = await import("./command.ts");
  if (file.shape === "script") return scriptCommand({ file, session });
  const { importRecipe } = await import("./load.ts");
  const loaded = await session.load(context, () => importRecipe(file));
  if (loaded === undefined) return undefined;
  if (loaded.kind === "nothing") {
    throw new GpuError(`the default export of \`${file.name}\` is undefined`, {
      hint: "`export default recipe({ … })`",
    });
  }
  return recipeCommand(loaded, { file, session });
}
