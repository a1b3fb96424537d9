import type { World } from "../world.ts";
import { childEnvironment } from "../env.ts";
import { GpuError } from "../errors.ts";
import { sendSignal, signalExitCode } from "../processes.ts";
import { currentRun } from "./current.ts";
import { createShell, type Executor, type Shell } from "./shell.ts";

/** How long a command may take to end after SIGTERM, before SIGKILL. */
const graceMs = 2000;

/** Runs commands with `/bin/sh` on this computer, in the folder where `gpu` was started. */
export function localExecutor(world: World): Executor {
  return async (command, { signal, output }) => {
    if (world.platform === "win32") throw new GpuError("`$` needs a POSIX shell, and Windows has none");
    // A group of its own: what the command starts ends with it.
    const child = world.spawn(["/bin/sh", "-c", command], {
      cwd: world.cwd,
      env: childEnvironment(world.env),
      detached: true,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const ended = new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, name) => resolve(code ?? signalExitCode(name ?? "")));
    });
    const kill = (name: NodeJS.Signals) => void (child.pid !== undefined && sendSignal(-child.pid, name));
    const over = new AbortController();
    const onAbort = () => {
      kill("SIGTERM");
      world.clock.sleep(graceMs, over.signal).then(() => kill("SIGKILL"), () => {});
    };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const streams = Promise.all([
        pump(child.stdout, (chunk) => output(chunk, "stdout")),
        pump(child.stderr, (chunk) => output(chunk, "stderr")),
      ]);
      const [exitCode] = await Promise.all([ended, streams]);
      return { exitCode };
    } finally {
      signal.removeEventListener("abort", onAbort);
      over.abort();
      if (signal.aborted) kill("SIGKILL");
    }
  };
}

async function pump(
  stream: AsyncIterable<Uint8Array> | null,
  write: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  for await (const chunk of stream ?? []) await write(chunk);
}

/** `$`: the shell of this computer, of whatever run the calling code belongs to. */
export const localShell: Shell = createShell(
  "$",
  (command, options) => localExecutor(currentRun().context.world)(command, options),
);
