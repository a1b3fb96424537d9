import { GpuError, UsageError } from "../errors.ts";
import { type Duration, durationMs } from "../duration.ts";
import type { CallRecord } from "../surface/call.ts";
import { newRecord } from "./calls.ts";
import { currentRun, findRun, inRun } from "./current.ts";
import { firstLine, outputOf, ShellError, type ShellExit, type ShellOutput, TextCollector } from "./shell-output.ts";
import { quoteTemplate, type ShellValue } from "./quote.ts";

/** How a command is carried out: by a shell here, or by one on an instance. */
export type Executor = (command: string, options: ExecutorOptions) => Promise<ShellExit>;

export interface ExecutorOptions {
  /** When it fires, the command and all it started end before the promise settles. */
  readonly signal: AbortSignal;
  /** The output, as it comes. Awaiting it is backpressure. */
  output(chunk: Uint8Array, stream: "stdout" | "stderr"): void | Promise<void>;
}

export type Shell = (strings: TemplateStringsArray, ...values: readonly ShellValue[]) => ShellCommand;

/** A tag for templates that are commands of the shell behind `execute`. `name` is what the recipe calls it. */
export function createShell(name: string, execute: Executor): Shell {
  return (strings, ...values) => ShellCommand.create({ name, command: quoteTemplate(strings, values), execute });
}

interface Changes {
  readonly isQuiet?: boolean;
  readonly throws?: boolean;
  readonly timeoutMs?: number;
}

/** A command that starts when it is awaited, or read with `text()`, `json()` or `lines()`. What it prints is shown unless it is read. */
export class ShellCommand implements Promise<ShellOutput> {
  readonly [Symbol.toStringTag] = "ShellCommand";
  readonly #command: string;
  readonly #execute: Executor;
  readonly #record: CallRecord;
  readonly #changes: Changes;
  #outcome: Promise<ShellOutput> | undefined;

  private constructor(
    { command, execute, record }: { command: string; execute: Executor; record: CallRecord },
    changes: Changes = {},
  ) {
    this.#command = command;
    this.#execute = execute;
    this.#record = record;
    this.#changes = changes;
  }

  /** A command that the run knows of from the line where it was written. */
  static create(
    { name, command, execute }: { name: string; command: string; execute: Executor },
  ): ShellCommand {
    const record = newRecord(name);
    findRun()?.add(record);
    return new ShellCommand({ command, execute, record });
  }

  /** The same, and nothing of it is shown. */
  quiet(): ShellCommand {
    return this.#with({ isQuiet: true });
  }

  /** The same, and an exit code that is not 0 is returned instead of thrown. */
  nothrow(): ShellCommand {
    return this.#with({ throws: false });
  }

  /** The same, ended when it takes longer. */
  timeout(duration: Duration): ShellCommand {
    return this.#with({ timeoutMs: durationMs(duration) });
  }

  /** What it prints on stdout, without the last newline. */
  async text(): Promise<string> {
    const { stdout } = await this.quiet();
    return stdout.replace(/\r?\n$/, "");
  }

  /** What it prints on stdout, read as JSON. Give it to a schema to know its type. */
  async json(): Promise<unknown> {
    const { stdout } = await this.quiet();
    try {
      return JSON.parse(stdout);
    } catch (cause) {
      throw new GpuError(`\`${firstLine(this.#command)}\` printed something that is not JSON`, { cause });
    }
  }

  /** The lines it prints on stdout. */
  async lines(): Promise<string[]> {
    const text = await this.text();
    return text === "" ? [] : text.split(/\r?\n/);
  }

  then<A = ShellOutput, B = never>(
    onValue?: ((value: ShellOutput) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#start().then(onValue, onError);
  }

  catch<B = never>(onError?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<ShellOutput | B> {
    return this.#start().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<ShellOutput> {
    return this.#start().finally(onEnd);
  }

  #with(changes: Changes): ShellCommand {
    return new ShellCommand({ command: this.#command, execute: this.#execute, record: this.#record }, {
      ...this.#changes,
      ...changes,
    });
  }

  #start(): Promise<ShellOutput> {
    this.#record.isObserved = true;
    return this.#outcome ??= this.#run().catch((error) => {
      this.#record.error = error;
      throw error;
    }).finally(() => {
      this.#record.isSettled = true;
    });
  }

  async #run(): Promise<ShellOutput> {
    const run = currentRun();
    const { world, globals, signal } = run.context;
    signal.throwIfAborted();
    const { isQuiet = globals.quiet, throws = true, timeoutMs } = this.#changes;
    const over = new AbortController();
    const timedOut = new AbortController();
    if (timeoutMs !== undefined) {
      const late = new GpuError(`\`${firstLine(this.#command)}\` took longer than ${timeoutMs / 1000} s`);
      world.clock.sleep(timeoutMs, over.signal).then(() => timedOut.abort(late), () => {});
    }

    const text = { stdout: new TextCollector(), stderr: new TextCollector() };
    const display = isQuiet ? undefined : run.show({ title: firstLine(this.#command) });
    try {
      const { exitCode } = await inRun(run, () =>
        this.#execute(this.#command, {
          signal: AbortSignal.any([signal, timedOut.signal]),
          output(chunk, stream) {
            text[stream].add(chunk);
            return display?.write(chunk, stream);
          },
        }));
      signal.throwIfAborted();
      timedOut.signal.throwIfAborted();
      display?.end({ exitCode });
      const output = outputOf(this.#command, { exitCode, ...text });
      if (throws && exitCode !== 0) {
        throw new ShellError(this.#command, { output, lastWords: text.stderr.lastWords() });
      }
      return output;
    } catch (error) {
      display?.end({ error });
      throw error;
    } finally {
      over.abort();
    }
  }
}

/** A command given as one string, as `box.exec("…")` takes it. */
export function shellCommand(
  name: string,
  command: string,
  execute: Executor,
): ShellCommand {
  if (command.trim() === "") throw new UsageError(`\`${name}\` was given no command`);
  return ShellCommand.create({ name, command, execute });
}
