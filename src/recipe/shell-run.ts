import { type Duration, durationMs } from "../duration.ts";
import { GpuError } from "../errors.ts";
import { type RetryOptions, tryAgain } from "./again.ts";
import type { Conduit } from "./conduit.ts";
import { type CurrentRun, currentRun, inRun } from "./current.ts";
import { pipelineExitCode, runPipeline, type Stage, type StageExit } from "./pipeline.ts";
import type { Planner } from "./planner.ts";
import { inputBytes, type ShellInput } from "./shell-input.ts";
import { firstLine, outputOf, ShellError, type ShellOutput, TextCollector, withLastWords } from "./shell-output.ts";

/** One command of a pipe, or the only one. */
export interface ShellPart extends Omit<Stage, "signal"> {
  /** It is ended when it takes longer. */
  readonly time?: Duration;
}

/** What is run, and what was said of the whole. */
export interface ShellRun {
  /** What the recipe calls it: `$`, `box.$`. */
  readonly name: string;
  readonly parts: readonly ShellPart[];
  readonly input?: ShellInput;
  readonly isQuiet?: boolean;
  readonly isRead?: boolean;
  readonly throws?: boolean;
  readonly time?: Duration;
  readonly retry?: RetryOptions;
  readonly tail?: number;
}

interface Reading {
  /** Where its stdout goes instead of being kept and shown. */
  readonly into?: Conduit;
  /** Ends it, beside the signal of the run. */
  readonly signal?: AbortSignal;
}

/** Commands as a person would write them, on one line. */
export function titleOf(parts: readonly ShellPart[]): string {
  return parts.map(({ command }) => firstLine(command)).join(" | ");
}

/** Runs a command or a pipe in the run of the calling code, as often as it may be tried. */
export async function runCommand(it: ShellRun, reading: Reading): Promise<ShellOutput> {
  const run = currentRun();
  const { world, signal, note, globals } = run.context;
  if (run.planner) return await planned(it, reading, run.planner);
  if (it.retry === undefined) return await runOnce(it, { run, ...reading });
  return await tryAgain(() => runOnce(it, { run, ...reading }), it.retry, {
    world,
    signal,
    onFailure({ error, attempt, attempts, pauseMs }) {
      if (isHidden(it, globals)) return;
      const why = error instanceof ShellError ? `exited with ${error.output.exitCode}` : "failed";
      note(
        `\`${titleOf(it.parts)}\` ${why}; attempt ${attempt + 1} of ${attempts} in ${Math.ceil(pauseMs / 1000)} s`,
      );
    },
  }).catch((error: unknown) => {
    if (it.throws === false && error instanceof ShellError) return error.output;
    throw error;
  });
}

/** What a plan says of it: what it prints is known only when it runs. */
async function planned({ name, parts }: ShellRun, { into }: Reading, planner: Planner): Promise<ShellOutput> {
  const output = planner.shell({ name, title: titleOf(parts) });
  await into?.write(Buffer.from(output.stdout));
  return output;
}

async function runOnce(it: ShellRun, { run, into, signal }: Reading & { run: CurrentRun }): Promise<ShellOutput> {
  const { globals, signal: runSignal } = run.context;
  runSignal.throwIfAborted();
  const title = titleOf(it.parts);
  const text = { stdout: new TextCollector(), stderr: new TextCollector() };
  const last = new TextCollector(0);
  const isOutputShown = !isHidden(it, globals);
  const display = it.isQuiet ?? globals.quiet ? undefined : run.show({ title, tail: it.tail, isRead: it.isRead });
  const lastWords = () => ({ lastWords: last.lastWords(), isShown: isOutputShown && it.tail === undefined });
  const keep = (chunk: Uint8Array, stream: "stdout" | "stderr") => {
    last.add(chunk);
    text[stream].add(chunk);
    return isOutputShown ? display?.write(chunk, stream) : undefined;
  };
  using times = new Times(run, lastWords);
  const whole = AbortSignal.any([runSignal, ...(signal ? [signal] : []), ...times.begin(title, it.time)]);
  const stages = it.parts.map(({ time, ...part }): Stage => {
    const [own] = times.begin(firstLine(part.command), time);
    return { ...part, signal: own };
  });
  try {
    // In a scope of its own: what carries it out asks for the run that it belongs to.
    const exits = await inRun(run, () =>
      runPipeline(stages, {
        signal: whole,
        input: it.input === undefined ? undefined : inputBytes(it.input),
        stdout(chunk) {
          if (into === undefined) return keep(chunk, "stdout");
          last.add(chunk);
          return into.write(chunk);
        },
        stderr: (chunk) => keep(chunk, "stderr"),
      }));
    whole.throwIfAborted();
    const [only] = exits;
    const exitCode = exits.length === 1 && only !== undefined ? only.exitCode : pipelineExitCode(stages, exits);
    display?.end({ exitCode, isForgiven: it.throws === false });
    const output = outputOf(title, { exitCode, exitCodes: exits.map((exit) => exit.exitCode), ...text });
    // What a retry looks at is thrown all the same.
    if (exitCode === 0 || (it.throws === false && it.retry === undefined)) return output;
    throw new ShellError(describeExits(stages, exits), { output, ...lastWords() });
  } catch (error) {
    if (!(error instanceof ShellError)) display?.end({ error });
    throw error;
  }
}

/** Whether nobody sees what it prints. */
function isHidden({ isQuiet, isRead = false }: ShellRun, globals: { readonly quiet: boolean }): boolean {
  return isRead || (isQuiet ?? globals.quiet);
}

/** What failed, by the commands that did: the last of a pipe often fails because the first one did. */
function describeExits(stages: readonly Stage[], exits: readonly StageExit[]): string {
  return exits.flatMap(({ exitCode, isCut }, index) => {
    const stage = stages[index];
    const counts = exits.length === 1 || (exitCode !== 0 && !isCut && !stage?.isForgiven);
    return counts && stage !== undefined ? [`\`${firstLine(stage.command)}\` exited with ${exitCode}`] : [];
  }).join("; ");
}

/** The times that commands may take. They are over with the commands. */
class Times implements Disposable {
  readonly #run: CurrentRun;
  readonly #lastWords: () => { lastWords: string; isShown: boolean };
  readonly #over = new AbortController();

  constructor(run: CurrentRun, lastWords: () => { lastWords: string; isShown: boolean }) {
    this.#run = run;
    this.#lastWords = lastWords;
  }

  /** The signal that fires when a command takes longer; none where it may take as long as it likes. */
  begin(title: string, time: Duration | undefined): AbortSignal[] {
    if (time === undefined) return [];
    const late = new AbortController();
    const longest = typeof time === "number" ? `${time / 1000} s` : time;
    this.#run.context.world.clock.sleep(durationMs(time), this.#over.signal).then(() => {
      late.abort(new GpuError(withLastWords(`\`${title}\` took longer than ${longest}`, this.#lastWords())));
    }, () => {});
    return [late.signal];
  }

  [Symbol.dispose](): void {
    this.#over.abort();
  }
}
