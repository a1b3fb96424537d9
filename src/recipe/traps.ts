// What a recipe may do to the process it runs in: some functions of it are replaced while the recipe runs, and put back.
import { readable } from "./failure.ts";
import { stackHere } from "../surface/call.ts";

/** Thrown where a recipe calls `exit` of its process, so that its scopes close before the process ends. */
export class ExitRequested extends Error {
  override name = "ExitRequested";
  override message = "the recipe ends its process";
}

export interface TrapListeners {
  onExit(exitCode: number): void;
  /** An error that nobody caught: thrown in a timer, or a rejection that floats. */
  onError(error: unknown): void;
}

/** Catches `exit` and errors that nobody catches, until disposed. `host` is the process that the recipe sees. */
export function setTraps(host: NodeJS.Process, { onExit, onError }: TrapListeners): Disposable {
  const exit = host.exit;
  host.exit = (code) => {
    onExit(exitCodeOf(code ?? host.exitCode));
    throw new ExitRequested();
  };
  const onUncaught = (thrown: unknown) => {
    const error = readable(thrown);
    if (!(error instanceof ExitRequested)) onError(error);
  };
  host.on("uncaughtException", onUncaught);
  host.on("unhandledRejection", onUncaught);
  return {
    [Symbol.dispose]() {
      host.exit = exit;
      host.off("uncaughtException", onUncaught);
      host.off("unhandledRejection", onUncaught);
    },
  };
}

/** Shows a script its path and the words that it was called with, until disposed. */
export function lendArguments(host: NodeJS.Process, [path = "", ...words]: readonly string[]): Disposable {
  const { argv } = host;
  const { main } = Bun;
  host.argv = [argv[0] ?? "", path, ...words];
  // `if (import.meta.main)` holds in the file that is run; TypeScript does not know that this can be set.
  Reflect.set(Bun, "main", path);
  return {
    [Symbol.dispose]() {
      host.argv = argv;
      Reflect.set(Bun, "main", main);
    },
  };
}

/** Takes what a recipe left in `exitCode` of its process. */
export function takeExitCode(host: NodeJS.Process): number | undefined {
  const code = host.exitCode;
  if (code === undefined || code === null) return undefined;
  host.exitCode = 0;
  return exitCodeOf(code);
}

function exitCodeOf(code: number | string | null | undefined): number {
  const number = Number(code ?? 0);
  return Number.isInteger(number) ? number & 0xff : 1;
}

/** Sends what a recipe prints to stderr, until disposed: stdout is for its result alone. */
export function printToStderr(host: NodeJS.Process): Disposable {
  const write = host.stdout.write;
  const toStderr = voicesOn(host.stderr);
  const own = Object.fromEntries(Object.keys(toStderr).map((name) => [name, Reflect.get(console, name)]));
  Object.assign(console, toStderr);
  host.stdout.write = host.stderr.write.bind(host.stderr);
  return {
    [Symbol.dispose]() {
      Object.assign(console, own);
      host.stdout.write = write;
    },
  };
}

/** All of `console` that writes to stdout: Bun's own does that past `process.stdout`. */
function voicesOn(stderr: NodeJS.WriteStream) {
  const say = console.error.bind(console);
  const indent = console.group.bind(console);
  const counts = new Map<string, number>();
  const group = (...values: unknown[]) => {
    if (values.length > 0) say(...values);
    indent(); // Without a title it prints nothing, and it moves what goes to stderr too.
  };
  return {
    log: say,
    info: say,
    debug: say,
    dirxml: say,
    dir: (value: unknown) => say(value),
    table: (value: object) => say(Bun.inspect.table(value)),
    trace(...values: unknown[]) {
      say(...values);
      say(stackHere().split("\n").slice(2).join("\n"));
    },
    clear() {},
    count(label = "default") {
      counts.set(label, (counts.get(label) ?? 0) + 1);
      say(`${label}: ${counts.get(label)}`);
    },
    countReset: (label = "default") => void counts.delete(label),
    group,
    groupCollapsed: group,
    write(...values: (string | Uint8Array)[]) {
      for (const value of values) stderr.write(value);
      return values.reduce((sum, value) => sum + Buffer.byteLength(value), 0);
    },
  };
}
