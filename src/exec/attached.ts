import type { Attached, Context } from "../command.ts";
import type { Target } from "../hosts/target.ts";
import { logIn } from "./log-in.ts";
import type { Work } from "./on-host.ts";
import { buildCommand, type Built } from "./request.ts";
import type { ExecOptions, ExecResult } from "./runner.ts";
import { joined } from "./stdin.ts";
import { elevate, elevateOnTerminal } from "./sudo.ts";
import { hiddenAhead } from "./terminal-ahead.ts";
import { withinTime } from "./within-time.ts";

interface AttachedOptions {
  readonly terminal: Attached;
  readonly work: Omit<Work, "output">;
}

/** Runs the work on one machine with our terminal as its own: a PTY where we have one on both sides, plain bytes else. */
export async function runAttached(
  context: Context,
  target: Target,
  { terminal, work }: AttachedOptions,
): Promise<ExecResult> {
  const { stdin, stdout, stderr } = terminal;
  const { signal } = context;
  const isTerminal = stdin.isTTY && stdout.isTTY;
  await using runner = await logIn(context, target, { ...work, signal });
  const ready = isTerminal ? Buffer.from(context.world.random(12)).toString("hex") : undefined;
  const elevation = work.sudo &&
    (isTerminal ? await elevateOnTerminal(runner, signal) : await elevate(runner, work.sudo, signal));
  const built = buildCommand(work.request, { elevation, ready });
  const ended = new AbortController();
  const output = {
    onStdout: (chunk: Uint8Array) => stdout.write(chunk),
    onStderr: (chunk: Uint8Array) => stderr.write(chunk),
  };
  const input = stdin.read({ raw: isTerminal && "both", signal: ended.signal });
  const streams = ready === undefined
    ? { ...output, stdin: joined(built.ahead, input) }
    : onTerminal(context, terminal, {
      ...{ built, ready, input, onStdout: output.onStdout },
      asksFirst: elevation !== undefined,
    });
  try {
    return await withinTime(
      context,
      { signal, ms: work.timeoutMs, late: (ms) => `\`${target.name}\` did not end within ${ms / 1000} s` },
      (limit) =>
        runner.exec(built.command, { signal: limit, endsAll: true, killThrough: built.killThrough, ...streams }),
    );
  } finally {
    ended.abort();
  }
}

interface OnTerminal {
  readonly built: Built;
  readonly ready: string;
  readonly asksFirst: boolean;
  readonly input: AsyncIterable<Uint8Array>;
  readonly onStdout: (chunk: Uint8Array) => Promise<void>;
}

function onTerminal(
  { world: { env } }: Context,
  { stdout }: Attached,
  { built, ready, asksFirst, input, onStdout }: OnTerminal,
): ExecOptions {
  const streams = built.ahead === ""
    ? { stdin: input, onStdout }
    : hiddenAhead({ ahead: built.ahead, ready, asksFirst, input, onStdout });
  const { columns, rows } = stdout;
  return {
    ...streams,
    pty: { columns, rows, term: env.TERM || "xterm-256color" },
    onResize: (listener) => stdout.onResize(() => listener({ columns: stdout.columns, rows: stdout.rows })),
  };
}
