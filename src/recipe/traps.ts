// What a recipe may do to the process it runs in: some functions of it are replaced while the recipe runs, and put back.

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
  const onUncaught = (error: unknown) => {
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
  const { log, info, debug, dir, table } = console;
  const write = host.stdout.write;
  const toStderr = console.error.bind(console);
  Object.assign(console, {
    log: toStderr,
    info: toStderr,
    debug: toStderr,
    dir: (value: unknown) => toStderr(Bun.inspect(value)),
    table: (value: object) => toStderr(Bun.inspect.table(value)),
  });
  host.stdout.write = host.stderr.write.bind(host.stderr);
  return {
    [Symbol.dispose]() {
      Object.assign(console, { log, info, debug, dir, table });
      host.stdout.write = write;
    },
  };
}
