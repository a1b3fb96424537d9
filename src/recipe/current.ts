import { AsyncLocalStorage } from "node:async_hooks";
import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import type { ApiScope, ApiTree } from "../surface/api.ts";
import type { CallRecord } from "../surface/call.ts";
import type { Planner } from "./planner.ts";

/** Where the output of one command of a recipe goes while it runs. */
export interface CommandDisplay {
  /** Awaiting it is backpressure. */
  write(chunk: Uint8Array, stream: "stdout" | "stderr"): void | Promise<void>;
  /** It is over: what it exited with, or why it did not come to that. */
  end(outcome: { readonly exitCode: number; readonly isForgiven?: boolean } | { readonly error: unknown }): void;
}

/** A command whose output is to be shown. */
export interface ShownCommand {
  /** The command on one line. */
  readonly title: string;
  /** Of its output only so many lines are kept on the screen, where there is one. */
  readonly tail?: number | undefined;
  /** What the recipe calls it. */
  readonly label?: string | undefined;
  /** The recipe reads it and knows how it ends: it is shown once it takes a while. */
  readonly isRead?: boolean | undefined;
}

/** What the module `"gpu"` needs of the run that a piece of code belongs to. */
export interface CurrentRun extends ApiScope {
  readonly api: ApiTree;
  /** Remembers a call that starts later, when somebody waits for it. */
  add(record: CallRecord): void;
  /** Remembers that `recipe(…)` was called, to tell a script from a recipe that is not exported. */
  declare(): void;
  show(command: ShownCommand): CommandDisplay;
  /** Writes a line of the recipe's own on stderr, and into the log of the run. */
  say?(line: string): void;
  /** The text without the secrets that the run asked for. */
  masked(text: string): string;
  /** Instances are given back at the end of the run, since they are kept where it fails. */
  readonly keepsOnFailure: boolean;
  /** Does a piece of work that a later run with `--resume` does not do again. */
  step<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Plans what would be done instead of doing it: `gpu run --dry-run`. */
  readonly planner: Planner | undefined;
  /**
   * The same run with another context: what is started in there ends with its signal. `branch` stands before the names
   * of its steps, where several do the same beside each other.
   */
  within(context: Context, branch?: string): CurrentRun;
}

const storage = new AsyncLocalStorage<CurrentRun>();
/** Code that Bun starts itself, the top level of a recipe for one, may be outside of the storage. */
const running: CurrentRun[] = [];

/** The run that the calling code belongs to, or undefined outside of `gpu run`. */
export function findRun(): CurrentRun | undefined {
  return storage.getStore() ?? running.at(-1);
}

/** The run that the calling code belongs to. */
export function currentRun(): CurrentRun {
  const run = findRun();
  if (run) return run;
  throw new GpuError("the functions of `gpu` work in a recipe", { hint: "`gpu run <file>` runs one" });
}

/** Runs `work` as code of `run`. */
export function inRun<T>(run: CurrentRun, work: () => T): T {
  return storage.run(run, work);
}

/** Makes `run` the one of code that belongs to none, until disposed. */
export function enterRun(run: CurrentRun): Disposable {
  running.push(run);
  return {
    [Symbol.dispose]() {
      const index = running.lastIndexOf(run);
      if (index >= 0) running.splice(index, 1);
    },
  };
}
