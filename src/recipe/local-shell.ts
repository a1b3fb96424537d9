import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { childEnvironment } from "../env.ts";
import { GpuError, UsageError } from "../errors.ts";
import { signalExitCode } from "../processes.ts";
import { createMark } from "../ssh/mark.ts";
import type { World } from "../world.ts";
import { ReaderGone } from "./conduit.ts";
import { currentRun } from "./current.ts";
import type { Executor } from "./pipeline.ts";
import { endTree } from "./process-tree.ts";
import { createShell, type Shell } from "./shell.ts";

/** All that a command starts carries it in its environment, so that what leaves its group is found. */
const markVariable = "GPU_EXEC";

/** Runs commands with `/bin/sh` on this computer, in the folder where `gpu` was started. */
export function localExecutor(world: World): Executor {
  return async (command, { signal, output, input, environment = {}, folder }) => {
    signal.throwIfAborted();
    if (world.platform === "win32") throw new GpuError("`$` needs a POSIX shell, and Windows has none");
    const cwd = folder === undefined ? world.cwd : resolve(world.cwd, folder);
    if (!existsSync(cwd)) throw new UsageError(`there is no folder \`${folder ?? cwd}\` to run a command in`);
    const mark = createMark(world);
    const inherited = Object.entries(childEnvironment(world.env, { ...environment, [markVariable]: mark }));
    // A group of its own: what the command starts ends with it.
    const child = world.spawn(["/bin/sh", "-c", command], {
      cwd,
      env: Object.fromEntries(inherited.filter(([, value]) => value !== undefined)),
      detached: true,
      stdin: input === undefined ? "ignore" : "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    const exited = Promise.withResolvers<number>();
    child.once("error", exited.reject);
    child.once("exit", (code, name) => exited.resolve(code ?? signalExitCode(name ?? "")));
    const ending = new AbortController();
    const streams = Promise.all([
      pump(child.stdout, (chunk) => output(chunk, "stdout")),
      pump(child.stderr, (chunk) => output(chunk, "stderr")),
    ]);
    const fed = input === undefined ? Promise.resolve() : feed(child.stdin, input);
    // What is read may never end by itself, and need not: the command's end is the end.
    const over = Promise.all([exited.promise, streams, Promise.race([fed, exited.promise])]);
    const aborted = untilAborted(AbortSignal.any([signal, ending.signal]));
    try {
      const [exitCode] = await Promise.race([over, aborted]);
      return { exitCode };
    } catch (error) {
      if (child.pid !== undefined) await endTree(world, { pid: child.pid, mark: `${markVariable}=${mark}` });
      throw error;
    } finally {
      ending.abort();
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
    }
  };
}

/** Hands over what comes. A reader that is gone closes the stream, as the system does it with a pipe. */
async function pump(
  stream: Readable | null,
  write: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  try {
    for await (const chunk of stream ?? []) await write(chunk);
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error;
    stream?.destroy();
  }
}

/** Writes what there is to read, until it ends or nobody reads it: that a program reads only a part is no failure. */
async function feed(stdin: Writable | null, input: AsyncIterable<Uint8Array>): Promise<void> {
  if (stdin === null) return;
  const chunks = input[Symbol.asyncIterator]();
  let isGone = false;
  let goOn = () => {};
  // Not a promise to race with: each race would keep its chunk until that promise is settled.
  const leave = () => {
    isGone = true;
    goOn();
    chunks.return?.().catch(() => {});
  };
  stdin.on("error", leave);
  stdin.once("close", leave);
  stdin.on("drain", () => goOn());
  for (;;) {
    const next = await chunks.next();
    if (isGone) return;
    if (next.done) return void stdin.end();
    const isFull = !stdin.write(next.value);
    if (isFull && !isGone) await new Promise<void>((resolve) => goOn = resolve);
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

/** `$`: the shell of this computer, of whatever run the calling code belongs to. */
export const localShell: Shell = createShell(
  "$",
  (command, options) => localExecutor(currentRun().context.world)(command, options),
);
