import type { Context } from "../command.ts";
import { exitCodes, GpuError, messageOf } from "../errors.ts";
import { derive } from "../surface/child.ts";
import { RunBudget } from "./budget.ts";
import { CallLog, leftOpenError } from "./calls.ts";
import { type CurrentRun, enterRun, findRun, inRun } from "./current.ts";
import { failureOf, readable, withPlaces } from "./failure.ts";
import { readPlaces } from "./frames.ts";
import { isFailure } from "./outcome.ts";
import { Owned } from "./owned.ts";
import type { Memory } from "./memory.ts";
import { PlanEnds, type Planner } from "./planner.ts";
import type { RunPlan } from "./plan-view.ts";
import { hearPrints } from "./prints.ts";
import type { RecordOptions, RunRecord } from "./record.ts";
import { openScope } from "./scope.ts";
import { ExitRequested, lendArguments, printToStderr, setTraps, takeExitCode } from "./traps.ts";

/** How long a recipe that was told to end may take to close its own scopes, before that is done for it. */
const lastWordsMs = 1000;
/** How long calls that are still going on when a recipe ends may take to clean up behind themselves. */
const unwindMs = 4000;

/** What `gpu run` was asked for beside the recipe itself. */
export interface RunSettings {
  /** Undefined: the run leaves no log, and output is shown as it comes. */
  readonly record?: Omit<RecordOptions, "input" | "budgetDollars" | "pid"> | undefined;
  readonly memory?: Memory | undefined;
  readonly planner?: Planner | undefined;
  /** Plans the whole of it, for who is asked whether it may spend so much. */
  readonly plan?: ((context: Context) => Promise<RunPlan | undefined>) | undefined;
  /** Instances of a run that fails are kept for so many hours. */
  readonly keepHours?: number | undefined;
}

/** One run of a recipe, from the import of its file until everything it opened is closed. */
export class RecipeSession {
  readonly #name: string;
  readonly #calls = new CallLog();
  readonly #owned = new Owned();
  readonly #ending = new AbortController();
  #declared = 0;
  #traps: Disposable | undefined;
  #uncaught: { readonly error: unknown } | undefined;
  #record: RunRecord | undefined;
  /** What the recipe ended its process with. */
  exitCode: number | undefined;
  budget: RunBudget;
  /** The run that this one was started in, with `gpu.run`: what is spent here is spent there too. */
  readonly #outer = findRun();

  readonly settings: RunSettings;

  constructor({ name, budget, settings = {} }: { name: string; budget: RunBudget; settings?: RunSettings }) {
    this.#name = name;
    this.budget = budget;
    this.settings = settings;
  }

  /** Whether `recipe(…)` was called, whatever became of it. */
  get hasDeclared(): boolean {
    return this.#declared > 0;
  }

  /** What a script finds in `process.argv`, behind the executable. */
  lendArguments(words: readonly string[]): Disposable {
    return lendArguments(process, words);
  }

  /** Runs code of the recipe and leaves open what it opened: the import of its file. */
  async load<T>(context: Context, work: () => Promise<T>): Promise<T | undefined> {
    using _printing = context.globals.json ? printToStderr(process) : undefined;
    try {
      return await this.#guard(context, work);
    } catch (error) {
      await this.close(context);
      throw error;
    }
  }

  /** Runs code of the recipe to its end: what it opened is closed, in reverse order, however it ends. */
  async run<T>(context: Context, { input, work }: { input: unknown; work: () => Promise<T> }): Promise<T | undefined> {
    await this.#beginRecord(context, input);
    // To the end, so that what is printed while it closes is heard and masked as well.
    using _printing = context.globals.json ? printToStderr(process) : undefined;
    using _hearing = this.#record ? hearPrints(process, this.#listener(this.#record)) : undefined;
    try {
      const result = await this.#runAndClose(context, work);
      const failed = isFailure(result) ? exitCodes.failed : exitCodes.done;
      await this.#record?.close({ exitCode: this.exitCode ?? failed, result });
      return result;
    } catch (error) {
      await this.#record?.close({ exitCode: error instanceof GpuError ? error.exitCode : exitCodes.bug, error });
      throw error;
    }
  }

  async #runAndClose<T>(context: Context, work: () => Promise<T>): Promise<T | undefined> {
    let result: T | undefined;
    try {
      result = await this.#guard(context, work);
    } catch (error) {
      await this.#keepWhereAsked(context, messageOf(error));
      await this.close(context);
      throw error;
    }
    if (isFailure(result) || (this.exitCode ?? 0) > 0) await this.#keepWhereAsked(context, "the recipe failed");
    const [open, ...others] = this.exitCode === undefined ? this.#calls.findAllLeftOpen() : [];
    const failures = await this.close(context);
    if (open) {
      const { message, hint } = leftOpenError(open, others);
      const places = [open, ...others].flatMap(({ stack }) => readPlaces(stack).slice(0, 1));
      throw new GpuError(withPlaces(message, places, context.world.cwd), { hint });
    }
    if (failures.length > 0) throw failures[0];
    return result;
  }

  async #beginRecord(context: Context, input: unknown): Promise<void> {
    const { record, memory, planner } = this.settings;
    memory?.tellChanges(input, context.note);
    if (record === undefined || planner !== undefined) return;
    const { RunRecord } = await import("./record.ts");
    const budgetDollars = this.budget.isSet && Number.isFinite(this.budget.limitDollars)
      ? this.budget.limitDollars
      : undefined;
    this.#record = await RunRecord.open(context, { ...record, input, budgetDollars, pid: process.pid });
  }

  /** `--keep-on-failure`: what the run rented outlives it, unless somebody ended it. */
  async #keepWhereAsked(context: Context, why: string): Promise<void> {
    const { keepHours } = this.settings;
    if (keepHours === undefined || context.signal.aborted) return;
    const { keepAfterFailure } = await import("./keep-on-failure.ts");
    await keepAfterFailure(context, { hours: keepHours, why });
  }

  /** The end of the run: nothing of it is left, and the process is as it was. */
  async end(context: Context): Promise<void> {
    await this.close(context);
    // What was just told to end may reject where nobody waits; that comes to light after this turn.
    await new Promise((resolve) => setImmediate(resolve));
    this.#traps?.[Symbol.dispose]();
  }

  /** Ends what still goes on and closes what is still open. The errors of that are told, and returned. */
  async close(context: Context): Promise<unknown[]> {
    this.#ending.abort(new RunOver());
    await within(this.#calls.settled(), unwindMs, context);
    const failures = await this.#owned.disposeAll();
    for (const failure of failures.slice(0, -1)) context.note(`closing failed: ${messageOf(failure)}`);
    return failures.slice(-1);
  }

  async #guard<T>(context: Context, work: () => Promise<T>): Promise<T | undefined> {
    const signal = AbortSignal.any([context.signal, this.#ending.signal]);
    const run = this.#open(this.#contextOf(context, signal));
    this.#traps ??= this.#setTraps();
    using _current = enterRun(run);
    const outcome = settle(inRun(run, work));
    await Promise.race([outcome, untilAborted(signal).then(() => within(outcome, lastWordsMs, context))]);
    if (context.signal.aborted) {
      // The recipe did not end by itself: close for it, then hear its last words.
      await this.close(context);
      await within(outcome, lastWordsMs / 4, context);
      throw context.signal.reason;
    }
    if (this.#uncaught) throw this.#failure(this.#uncaught.error, context);
    if (this.exitCode !== undefined) return undefined;
    const ended = await outcome;
    if (ended.kind === "value") {
      this.exitCode = takeExitCode(process);
      return ended.value;
    }
    if (ended.error instanceof ExitRequested || ended.error instanceof PlanEnds) return undefined;
    throw this.#failure(ended.error, context);
  }

  #setTraps(): Disposable {
    return setTraps(process, {
      onExit: (exitCode) => {
        if (!this.#ending.signal.aborted) this.exitCode = exitCode;
        this.#ending.abort(new RunOver());
      },
      onError: (error) => {
        if (!this.#ending.signal.aborted) this.#uncaught = { error };
        this.#ending.abort(new RunOver());
      },
    });
  }

  #failure(error: unknown, { world }: Context): GpuError {
    return failureOf(error, { cwd: world.cwd, findCall: (thrown) => this.#calls.findByError(thrown) });
  }

  #contextOf(context: Context, signal: AbortSignal): Context {
    const { run, note } = context;
    const record = this.#record;
    return derive(context, {
      signal,
      attached: undefined,
      run: { id: () => run.id(), reserved: () => run.reserved(), isRecipe: true, recipe: this.#name },
      note(text) {
        record?.note(text);
        note(text);
      },
    });
  }

  #listener(record: RunRecord) {
    return {
      print: (chunk: string | Uint8Array, stream: "stdout" | "stderr") => record.print(chunk, stream),
      takesPrints: () => record.takesPrints,
    };
  }

  #open(context: Context): CurrentRun {
    return openScope(context, {
      calls: this.#calls,
      owned: this.#owned,
      record: this.#record,
      memory: this.settings.memory,
      planner: this.settings.planner,
      keepsOnFailure: this.settings.keepHours !== undefined,
      budget: () => this.budget,
      // One that is part of another is asked for there as well.
      plan: this.#outer === undefined ? this.settings.plan : undefined,
      // What is only tried out spends nothing of anybody's.
      outer: this.settings.record?.isRehearsal ? undefined : this.#outer,
      declare: () => {
        this.#declared += 1;
      },
    });
  }
}

/** Why what a recipe left behind is ended. */
class RunOver extends Error {
  override name = "RunOver";
  override message = "the recipe has ended";
}

type Outcome<T> = { readonly kind: "value"; readonly value: T } | { readonly kind: "error"; readonly error: unknown };

function settle<T>(promise: Promise<T>): Promise<Outcome<T>> {
  return promise.then((value) => ({ kind: "value", value }), (error) => ({ kind: "error", error: readable(error) }));
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Waits for something, but not for longer than that. */
async function within(promise: Promise<unknown>, ms: number, { world }: Context): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, world.clock.sleep(ms, over.signal).catch(() => {})]);
  over.abort();
}
