import { beforeAll, expect } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { build, executable } from "../../scripts/build.ts";
import { machineFoldersOf, processesOf, stateFolderOf } from "../../scripts/traces.ts";

export { executable };

/** Compiles dist/gpu before the first test of a file, unless it is up to date. */
export function useCompiled(): void {
  beforeAll(async () => {
    await build();
  });
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Put before the executable: `setpriv …`. */
  readonly through?: readonly string[];
  /** Another path of the executable. */
  readonly file?: string;
}

/** An empty HOME of its own; what was started with it is ended and the folder removed when the scope ends. */
export class Home implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "gpu-home-"));

  readonly #bin = linkCommands(join(this.path, "bin"));

  /** A folder to work in that is not HOME. */
  readonly work = join(this.path, "work");

  constructor() {
    mkdirSync(this.work);
  }

  get stateFolder(): string {
    return stateFolderOf(this.path);
  }

  get configFolder(): string {
    return process.platform === "darwin" ? this.stateFolder : join(this.path, ".config/gpu");
  }

  /** Starts gpu with nothing in its environment but HOME and a PATH on which there is no Node, Bun or Deno. */
  start(
    argv: readonly string[],
    { cwd = this.work, env = {}, through = [], file = executable }: RunOptions = {},
  ): Running {
    const child = Bun.spawn([...through, file, ...argv], {
      cwd,
      env: { HOME: this.path, PATH: this.#bin, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    return new Running(child);
  }

  /** Starts gpu as a person has it: on a terminal of its own. */
  startOnTerminal(argv: readonly string[], { cwd = this.work, env = {} }: RunOptions = {}): RunningOnTerminal {
    return new RunningOnTerminal([executable, ...argv], {
      cwd,
      env: { HOME: this.path, PATH: this.#bin, TERM: "xterm", ...env },
    });
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return await this.start(argv, options).ended();
  }

  /** Writes a file below the work folder and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.work, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** No instance in the list, no process, no folder: what every command that ended leaves behind. */
  async expectNothingLeft(): Promise<void> {
    const { stdout, code } = await this.run(["status", "--json"]);
    expect({ code, instances: stdout === "" ? undefined : JSON.parse(stdout) }).toEqual({ code: 0, instances: [] });
    // What was told to end may need a moment to be gone.
    for (let round = 0; round < 100 && processesOf(this.path).length > 0; round++) await Bun.sleep(20);
    expect(processesOf(this.path)).toEqual([]);
    expect(machineFoldersOf(this.path)).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let round = 0; round < 100; round++) {
      const left = processesOf(this.path);
      if (left.length === 0) break;
      for (const { pid } of left) tryToKill(pid);
      await Bun.sleep(10);
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A gpu that runs; its output is collected from the start. */
export class Running {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #stderr: Promise<string>;
  readonly #stdoutEnd: Promise<void>;
  #stdout = "";
  #waiting: { text: string; resolve: () => void }[] = [];

  constructor(child: Bun.Subprocess<"ignore", "pipe", "pipe">) {
    this.#child = child;
    this.#stderr = new Response(child.stderr).text();
    this.#stdoutEnd = this.#collect();
  }

  /** What it has printed on stdout until now. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Resolves when `text` was printed on stdout; rejects when gpu ended before. */
  async printed(text: string): Promise<void> {
    const seen = new Promise<void>((resolve) => this.#waiting.push({ text, resolve }));
    this.#notice();
    const ended = this.#stdoutEnd.then(async () => {
      throw new Error(`ended before it printed \`${text}\`: ${this.#stdout}${await this.#stderr}`);
    });
    await Promise.race([seen, ended]);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async ended(): Promise<Ended> {
    await this.#child.exited;
    await this.#stdoutEnd;
    const { exitCode: code, signalCode: signal } = this.#child;
    return { code, signal, stdout: this.#stdout, stderr: await this.#stderr };
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      this.#stdout += decoder.decode(chunk, { stream: true });
      this.#notice();
    }
  }

  #notice(): void {
    for (const { text, resolve } of this.#waiting) if (this.#stdout.includes(text)) resolve();
  }
}

/** A gpu on a terminal. */
export class RunningOnTerminal {
  readonly #child: Bun.Subprocess;
  readonly #decoder = new TextDecoder();
  #shown = "";
  #look = () => {};

  constructor(command: readonly string[], { cwd, env }: { cwd: string; env: Record<string, string> }) {
    this.#child = Bun.spawn([...command], {
      cwd,
      env,
      terminal: {
        cols: 100,
        rows: 30,
        data: (_, bytes) => {
          this.#shown += this.#decoder.decode(bytes, { stream: true });
          this.#look();
        },
      },
    });
  }

  /** All that the terminal was sent, escape sequences too. */
  get shown(): string {
    return this.#shown;
  }

  /** Resolves once it shows `text`; rejects when gpu ended before. */
  async shows(text: string): Promise<void> {
    const seen = new Promise<void>((resolve) => {
      this.#look = () => {
        if (this.#shown.includes(text)) resolve();
      };
      this.#look();
    });
    const ended = this.#child.exited.then(async () => {
      await Bun.sleep(50);
      if (!this.#shown.includes(text)) throw new Error(`ended before it showed \`${text}\`: ${this.#shown}`);
    });
    await Promise.race([seen, ended]);
  }

  type(keys: string): void {
    this.#child.terminal?.write(keys);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The window is closed: the system hangs up on all that runs in it. */
  close(): void {
    this.#child.terminal?.close();
  }

  async ended(): Promise<{ code: number | null; signal: string | number | null }> {
    await this.#child.exited;
    const { exitCode: code, signalCode: signal } = this.#child;
    return { code, signal };
  }
}

/** All that is on the PATH of a `gpu` under test: nothing that could stand in for the executable's own runtime. */
const commands =
  "sh bash env cat cp date echo grep head ls mkdir mount rm sed setpriv sleep tail touch tr true uname unshare".split(
    " ",
  );

function linkCommands(folder: string): string {
  mkdirSync(folder);
  for (const name of commands) {
    const source = ["/usr/bin", "/bin"].map((place) => join(place, name)).find((path) => existsSync(path));
    if (source) symlinkSync(source, join(folder, name));
  }
  return folder;
}

function tryToKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
