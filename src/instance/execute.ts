import { isUtf8 } from "node:buffer";
import type { Attached, Context } from "../command.ts";
import { connectInstance } from "../rent/connect.ts";
import { oneLaunch } from "../rent/fleet.ts";
import { warnBeforeEnd } from "../rent/lease-warning.ts";
import type { ExecOptions, ExecResult } from "../ssh/exec.ts";
import type { Session } from "../ssh/session.ts";
import type { Execution } from "./execution.ts";
import { onInstance } from "./lost.ts";

/** Runs a line of the instance's shell; on the command line its input and output are ours. */
export async function execute(context: Context, selector: string | undefined, line: string): Promise<Execution> {
  const { world, signal } = context;
  const launch = await oneLaunch(context, selector);
  const startedAt = world.clock.now();
  const ran = await onInstance(context, launch, async () => {
    await using session = await connectInstance(world, launch, signal);
    // A recipe hears of the leases of all that it rented.
    using _warning = context.run.isRecipe ? undefined : warnBeforeEnd(context, { tokens: [launch.token] });
    return await runThere(session, line, context);
  });
  return { id: launch.instanceId ?? launch.token, ...ran, durationMs: world.clock.now() - startedAt };
}

interface Ran {
  readonly exitCode: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly encoding: "utf8" | "base64";
}

async function runThere(session: Session, command: string, context: Context): Promise<Ran> {
  const { attached, signal, world, globals, run } = context;
  if (attached) {
    return {
      ...exitOf(await runAttached(session, command, attached, signal)),
      stdout: "",
      stderr: "",
      encoding: "utf8",
    };
  }
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  const ended = new AbortController();
  // Under `--json` what is piped in goes along; a recipe's own stdin is not the command's.
  const { stdin } = world.terminal;
  const isPiped = globals.json && !run.isRecipe && !stdin.isTTY;
  try {
    const exit = await session.exec(command, {
      signal,
      stdin: isPiped ? stdin.read({ signal: ended.signal }) : undefined,
      onStdout: (chunk) => void stdout.push(chunk),
      onStderr: (chunk) => void stderr.push(chunk),
    });
    return { ...exitOf(exit), ...asText(Buffer.concat(stdout), Buffer.concat(stderr)) };
  } finally {
    ended.abort();
  }
}

function asText(stdout: Buffer, stderr: Buffer): Pick<Ran, "stdout" | "stderr" | "encoding"> {
  const encoding = isUtf8(stdout) && isUtf8(stderr) ? "utf8" : "base64";
  return { stdout: stdout.toString(encoding), stderr: stderr.toString(encoding), encoding };
}

/** Our terminal becomes the command's: a PTY where we have a terminal on both sides, plain bytes else. */
async function runAttached(
  session: Session,
  command: string,
  terminal: Attached,
  signal: AbortSignal,
): Promise<ExecResult> {
  const { stdin, stdout, stderr } = terminal;
  const isTerminal = stdin.isTTY && stdout.isTTY;
  const ended = new AbortController();
  const options: ExecOptions = {
    signal,
    stdin: stdin.read({ raw: isTerminal, signal: ended.signal }),
    onStdout: (chunk) => stdout.write(chunk),
    onStderr: (chunk) => stderr.write(chunk),
  };
  try {
    if (!isTerminal) return await session.exec(command, options);
    const { columns, rows } = stdout;
    return await session.exec(command, {
      ...options,
      pty: { columns, rows, term: "xterm-256color" },
      onResize: (listener) => stdout.onResize(() => listener({ columns: stdout.columns, rows: stdout.rows })),
    });
  } finally {
    ended.abort();
  }
}

function exitOf({ exitCode, signal }: ExecResult) {
  return { exitCode, signal: signal ?? null };
}
