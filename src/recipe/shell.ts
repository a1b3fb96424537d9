import type { z } from "zod";
import { type Duration, durationMs } from "../duration.ts";
import { UsageError } from "../errors.ts";
import { checkRetry, type RetryOptions } from "./again.ts";
import { newRecord, trackCall } from "./calls.ts";
import { Conduit } from "./conduit.ts";
import { findRun } from "./current.ts";
import type { Executor } from "./pipeline.ts";
import { quoteTemplate, type ShellValue } from "./quote.ts";
import { type Definition, joined, jsonIn, refuseSecrets } from "./shell-definition.ts";
import { checkInput, isReadOnce, type ShellInput } from "./shell-input.ts";
import { linesOf } from "./shell-lines.ts";
import type { ShellOutput } from "./shell-output.ts";
import { runCommand, type ShellPart, titleOf } from "./shell-run.ts";

export type { Executor, ExecutorOptions } from "./pipeline.ts";

/**
 * A tag for templates that are commands of a shell. Each value is quoted as one word, whatever is in it, and a list
 * becomes one word for each of its items; anything but text, numbers, booleans and lists of them is refused.
 *
 * ```ts
 * const files = ["a b.txt", "c.txt"];
 * await $`tar czf out.tgz ${files}`; // tar czf out.tgz 'a b.txt' c.txt
 * ```
 */
export type Shell = (strings: TemplateStringsArray, ...values: readonly ShellValue[]) => ShellCommand;

/** A tag for templates that are commands of the shell behind `execute`. `name` is what the recipe calls it. */
export function createShell(name: string, execute: Executor): Shell {
  return (strings, ...values) => ShellCommand.create({ name, command: quoteTemplate(strings, values), execute });
}

/** A command given as one string, as `box.exec("…")` takes it. */
export function shellCommand(name: string, command: string, execute: Executor): ShellCommand {
  if (command.trim() === "") throw new UsageError(`\`${name}\` was given no command`);
  return ShellCommand.create({ name, command, execute });
}

/**
 * A command that starts when it is awaited, or read with `text()`, `json()` or `lines()`. What it prints is shown
 * unless it is read. It throws a `ShellError` when it ends with an exit code that is not 0. Ctrl-C, the end of the run
 * and a timeout end it with all that it started.
 *
 * ```ts
 * await $`make build`;
 * const branch = await $`git branch --show-current`.text();
 * for await (const line of box.$`tail -f train.log`) if (line.includes("done")) break;
 * await $`tar cz src`.pipe(box.$`tar xz`);
 * ```
 */
export class ShellCommand implements Promise<ShellOutput> {
  readonly [Symbol.toStringTag] = "ShellCommand";
  readonly #it: Definition;
  #outcome: Promise<ShellOutput> | undefined;

  private constructor(it: Definition) {
    this.#it = it;
  }

  /** A command that the run knows of from the line where it was written. */
  static create({ name, command, execute }: { name: string; command: string; execute: Executor }): ShellCommand {
    refuseSecrets(command);
    const record = newRecord(name);
    findRun()?.add(record);
    return new ShellCommand({ name, parts: [{ command, execute }], records: [record] });
  }

  /** The same, and nothing of it is shown. */
  quiet(): ShellCommand {
    return this.#with({ isQuiet: true });
  }

  /** The same, and an exit code that is not 0 is returned instead of thrown. In front of `pipe`: it does not count. */
  nothrow(): ShellCommand {
    return this.#with({ throws: false });
  }

  /**
   * The same, ended with all that it started when it takes longer. With `retry`: when one attempt takes longer.
   *
   * ```ts
   * await box.$`python3 train.py`.timeout("1h30m");
   * ```
   */
  timeout(time: Duration): ShellCommand {
    durationMs(time);
    return this.#with({ time });
  }

  /**
   * The same, and what fails is tried again: 3 times in all, with pauses that grow from a second, when nothing else is
   * said. What it reads must be there again, so a stream as its `stdin` is refused.
   *
   * ```ts
   * await box.$`apt-get update`.retry({ attempts: 5, pause: "10s" });
   * ```
   */
  retry(options: RetryOptions = {}): ShellCommand {
    checkRetry(options);
    return this.#with({ retry: options });
  }

  /** The same, and on a terminal only the last lines of what it prints stay in view; 8 when nothing else is said. */
  tail(lines = 8): ShellCommand {
    if (!Number.isInteger(lines) || lines < 1) throw new UsageError(`\`.tail(${lines})\`: at least 1 line is shown`);
    return this.#with({ tail: lines });
  }

  /**
   * The same, and it reads this on its stdin: text, bytes, a file, or a stream. Of a pipe: its first command.
   *
   * ```ts
   * await box.$`docker login --password-stdin`.stdin(await secrets.get("DOCKER_TOKEN"));
   * ```
   */
  stdin(input: ShellInput): ShellCommand {
    checkInput(input);
    return this.#with({ input });
  }

  /**
   * The same, with these variables in its environment beside those it has anyway; `undefined` takes one away. They are
   * in no list of processes. Of a pipe: its last command.
   *
   * ```ts
   * await box.$`python3 download.py`.env({ HF_TOKEN: await secrets.get("HF_TOKEN") });
   * ```
   */
  env(variables: Readonly<Record<string, string | number | boolean | undefined>>): ShellCommand {
    const texts = Object.entries(variables).map(([name, value]) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        throw new UsageError(`\`${name}\` is not a name for an environment variable`);
      }
      return [name, value === undefined ? undefined : String(value)];
    });
    return this.#withLast(({ environment }) => ({ environment: { ...environment, ...Object.fromEntries(texts) } }));
  }

  /**
   * The same in another folder: from where `gpu` was started, or on an instance from its home. Of a pipe: its last
   * command.
   *
   * ```ts
   * await box.$`make test`.cwd("project");
   * ```
   */
  cwd(folder: string): ShellCommand {
    if (folder === "" || folder.includes("\0")) throw new UsageError("`.cwd(…)` was given no folder");
    return this.#withLast(() => ({ folder }));
  }

  /**
   * Both at once, and the other one reads what this one prints, wherever each of them runs. It fails when one of them
   * does; that this one is ended because the other reads no further is no failure. What `quiet`, `retry`, `tail` and
   * `stdin` say behind it holds for the pipe.
   *
   * ```ts
   * await $`tar cz src`.pipe(box.$`tar xz -C project`);
   * await from.$`cat model.bin`.pipe(to.$`cat > model.bin`);
   * const lines = await box.$`cat train.log`.pipe($`grep loss`).lines();
   * ```
   */
  pipe(into: ShellCommand): ShellCommand {
    if (this.#outcome !== undefined || into.#outcome !== undefined) {
      throw new UsageError("a command that was started already cannot be part of a pipe");
    }
    return new ShellCommand(joined(this.#it, into.#it));
  }

  /**
   * What it prints on stdout, without the last newline. Nothing of that is shown; the command is, when it takes a while.
   *
   * ```ts
   * const commit = await $`git rev-parse HEAD`.text();
   * ```
   */
  text(): Promise<string> {
    return this.#read("text", async () => {
      const { stdout } = await this.#with({ isRead: true });
      return stdout.replace(/\r?\n$/, "");
    });
  }

  /**
   * What it prints on stdout, read as JSON. With a schema it has its type, and what does not fit is an error.
   *
   * ```ts
   * const { version } = await $`cat package.json`.json(z.object({ version: z.string() }));
   * ```
   */
  json(): Promise<unknown>;
  json<S extends z.ZodType>(schema: S): Promise<z.output<S>>;
  json(schema?: z.ZodType): Promise<unknown> {
    return this.#read("json", async () => {
      const { stdout } = await this.#with({ isRead: true });
      return jsonIn(stdout, { title: titleOf(this.#it.parts), schema });
    });
  }

  /**
   * The lines it prints on stdout, when it has ended. To have each while it runs, iterate the command itself.
   *
   * ```ts
   * const files = await box.$`ls checkpoints`.lines();
   * for await (const line of box.$`python3 train.py`) console.log(line);
   * ```
   */
  lines(): Promise<string[]> {
    return this.#read("lines", async () => {
      const { stdout } = await this.#with({ isRead: true });
      return stdout === "" ? [] : stdout.replace(/\r?\n$/, "").split(/\r?\n/);
    });
  }

  /** The lines it prints on stdout, while it runs. It waits for who reads them, and ends when nobody does any more. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    if (this.#it.retry !== undefined) {
      throw new UsageError("lines that were read cannot be taken back, so the command cannot be tried again", {
        hint: "`.lines()` reads them when it has ended; or put the whole loop into `retry(…)`",
      });
    }
    const conduit = new Conduit();
    const left = new AbortController();
    const running = this.#with({ isRead: true }).#track((it) => runCommand(it, { into: conduit, signal: left.signal }));
    running.then(() => conduit.end(), (error: unknown) => conduit.end({ error }));
    try {
      yield* linesOf(conduit);
      await running;
    } finally {
      conduit.leave();
      left.abort(new Error("nobody reads its lines any more"));
      await running.catch(() => {});
    }
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

  #with(changes: Partial<Definition>): ShellCommand {
    return new ShellCommand({ ...this.#it, ...changes });
  }

  #withLast(change: (part: ShellPart) => Partial<ShellPart>): ShellCommand {
    const last = this.#it.parts.length - 1;
    return this.#with({ parts: this.#it.parts.map((part, i) => (i === last ? { ...part, ...change(part) } : part)) });
  }

  #start(): Promise<ShellOutput> {
    return this.#outcome ??= this.#track((it) => runCommand(it, {}));
  }

  /** Lets the run know that somebody waits, how it ends, and when. */
  async #track(start: (it: Definition) => Promise<ShellOutput>): Promise<ShellOutput> {
    const { records, input, retry } = this.#it;
    for (const record of records) record.isObserved = true;
    try {
      if (retry !== undefined && isReadOnce(input)) {
        throw new UsageError("a stream can be read once, so the command that reads it cannot be tried again", {
          hint: "give `.stdin(…)` text, bytes or a file, or leave `.retry(…)` away",
        });
      }
      const running = start(this.#it);
      // The run does not end before all that the command started has ended.
      const forget = findRun()?.own({ [Symbol.asyncDispose]: () => running.then(() => {}, () => {}) });
      return await running.finally(forget);
    } catch (error) {
      for (const record of records) record.error = error;
      throw error;
    } finally {
      for (const record of records) record.isSettled = true;
    }
  }

  /** A reading that nobody waits for is one that the run complains of, as of the command itself. */
  #read<T>(method: string, read: () => Promise<T>): Promise<T> {
    return trackCall(`${this.#it.name}.${method}`, read);
  }
}
