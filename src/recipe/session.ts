import type { Context, Plan } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import { type ApiTree, createApi } from "../surface/api.ts";
import type { CallRecord } from "../surface/call.ts";
import { derive } from "../surface/child.ts";
import { RunBudget } from "./budget.ts";
import { CallLog, leftOpenError } from "./calls.ts";
import { type CommandDisplay, type CurrentRun, currentRun, enterRun, inRun } from "./current.ts";
import { failureOf, withPlaces } from "./failure.ts";
import { readPlaces } from "./frames.ts";
import { Owned } from "./owned.ts";
import { ExitRequested, printToStderr, setTraps, takeExitCode } from "./traps.ts";

/** How long a recipe that was told to end may take to close its own scopes, before that is done for it. */
const lastWordsMs = 1000;
/** How long calls that are still going on when a recipe ends may take to clean up behind themselves. */
const unwindMs = 4000;

/** One run of a recipe, from the import of its file until everything it opened is closed. */
export class RecipeSession {
  readonly #name: string;
  readonly #calls = new CallLog();
  readonly #owned = new Owned();
  readonly #ending = new AbortController();
  #declared = 0;
  #traps: Disposable | undefined;
  #uncaught: { readonly error: unknown } | undefined;
  /** What the recipe ended its process with. */
  exitCode: number | undefined;
  budget: RunBudget;

  constructor({ name, budget }: { name: string; budget: RunBudget }) {
    this.#name = name;
    this.budget = budget;
  }

  /** Whether `recipe(…)` was called, whatever became of it. */
  get hasDeclared(): boolean {
    return this.#declared > 0;
  }

  /** Runs code of the recipe and leaves open what it opened: the import of its file. */
  async load<T>(context: Context, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#guard(context, work);
    } catch (error) {
      await this.close(context);
      throw error;
    }
  }

  /** Runs code of the recipe to its end: what it opened is closed, in reverse order, however it ends. */
  async run<T>(context: Context, work: () => Promise<T>): Promise<T | undefined> {
    let result: T | undefined;
    try {
      result = await this.#guard(context, work);
    } catch (error) {
      await this.close(context);
      throw error;
    }
    const open = this.exitCode === undefined ? this.#calls.findLeftOpen() : undefined;
    const failures = await this.close(context);
    if (open) {
      const { message, hint } = leftOpenError(open);
      throw new GpuError(withPlaces(message, readPlaces(open.stack).slice(0, 1), context.world.cwd), { hint });
    }
    if (failures.length > 0) throw failures[0];
    return result;
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
    const run = this.#open(derive(context, { signal, attached: undefined, run: this.#runOf(context) }));
    this.#traps ??= this.#setTraps();
    using _printing = context.globals.json ? printToStderr(process) : undefined;
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
    if (ended.error instanceof ExitRequested) return undefined;
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

  #runOf({ run }: Context): Context["run"] {
    return { id: () => run.id(), isRecipe: true, recipe: this.#name };
  }

  #open(context: Context): CurrentRun {
    // Asked anew at each call: inside of `parallel` the context is another one.
    const api: ApiTree = createApi(context.entries, currentRun);
    const open = (context: Context): CurrentRun => ({
      context,
      api,
      track: <T>(record: CallRecord, start: () => Promise<T>) => this.#calls.track(record, start),
      add: (record) => this.#calls.add(record),
      allow: (action: { name: string; plan: Plan }) => this.budget.allow(action),
      own: (handle) => this.#owned.add(handle),
      declare: () => {
        this.#declared += 1;
      },
      show: () => plainDisplay(context),
      within: open,
    });
    return open(context);
  }
}

/** Output as it comes; under `--json` stdout is for the result alone. */
function plainDisplay({ world: { terminal }, globals }: Context): CommandDisplay {
  const shown = { stdout: globals.json ? terminal.stderr : terminal.stdout, stderr: terminal.stderr };
  return { write: (chunk, stream) => shown[stream].write(chunk), end() {} };
}

/** Why what a recipe left behind is ended. */
class RunOver extends Error {
  override name = "RunOver";
  override message = "the recipe has ended";
}

type Outcome<T> = { readonly kind: "value"; readonly value: T } | { readonly kind: "error"; readonly error: unknown };

function settle<T>(promise: Promise<T>): Promise<Outcome<T>> {
  return promise.then((value) => ({ kind: "value", value }), (error) => ({ kind: "error", error }));
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
