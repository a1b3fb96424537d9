import { constants } from "node:os";
import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import type { Context } from "./command.ts";
import { childEnvironment } from "./env.ts";
import { systemCode, UsageError } from "./errors.ts";
import { reasonOf } from "./files.ts";
import type { Sink } from "./world.ts";

/** How long a command that is told to end may take to do so. */
const lastWordsMs = 4_000;

interface Beside {
  readonly command: readonly string[];
  /** What it finds in its environment beside ours. */
  readonly environment: Readonly<Record<string, string>>;
  readonly context: Context;
}

/** Runs a command beside a server of ours, which it finds in its environment; returns its exit code. */
export async function runBeside({ command, environment, context }: Beside): Promise<number> {
  const { world, attached, signal } = context;
  // It may ask its own questions where there is a person.
  const isTerminal = attached?.stdin.isTTY === true && attached.stdout.isTTY;
  const how = isTerminal ? "inherit" : "pipe";
  const child = world.spawn(command, {
    cwd: world.cwd,
    env: childEnvironment(world.env, environment),
    stdin: isTerminal ? "inherit" : "ignore",
    stdout: how,
    stderr: how,
  });
  const exited = new Promise<number>((resolve) =>
    child.once("exit", (code, ended) => resolve(code ?? 128 + (constants.signals[ended ?? "SIGTERM"] ?? 0)))
  );
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve).once("error", (error) => reject(cannotStart(command, error)));
  });
  const end = () => void endChild(child, context);
  signal.addEventListener("abort", end, { once: true });
  try {
    const { stderr } = world.terminal;
    // Under `--json` stdout is ours.
    const copied = [copy(child.stdout, attached?.stdout ?? stderr), copy(child.stderr, stderr)];
    const [exitCode] = await Promise.all([exited, ...copied]);
    return exitCode;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

async function endChild(child: ChildProcess, { world: { clock } }: Context): Promise<void> {
  child.kill("SIGTERM");
  await clock.sleep(lastWordsMs);
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
}

async function copy(from: Readable | null, to: Sink): Promise<void> {
  if (from === null) return;
  for await (const chunk of from) await to.write(chunk);
}

function cannotStart([program = ""]: readonly string[], error: Error): UsageError {
  const why = systemCode(error) === "ENOENT" ? "there is no such program" : reasonOf(error);
  return new UsageError(`cannot start \`${program}\`: ${why}`, { cause: error });
}
