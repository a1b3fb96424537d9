import type { Attached, Context } from "../command.ts";
import { connectTarget } from "../hosts/connect.ts";
import type { Target } from "../hosts/target.ts";
import { warnBeforeEnd } from "../rent/lease-warning.ts";
import { SshError } from "../ssh/failure.ts";
import { withoutEscapes } from "./escapes.ts";
import { named } from "./exec.ts";
import type { HostExecution } from "./execution.ts";
import { idOf } from "./on-host.ts";
import { openRunner, type Runner } from "./runner.ts";
import type { ExecResult } from "./runner.ts";

export interface ShellOptions {
  /** Empty: the login shell. */
  readonly command: string;
  readonly share: boolean;
  /** The socket of an SSH agent that the machine may use. */
  readonly forwardAgent: string | undefined;
}

/** As ssh: what `~.` cuts has no exit code. */
const disconnectedExitCode = 255;

/** Gives a command on one machine, or its shell, our terminal until it ends. */
export async function openShell(
  context: Context,
  target: Target,
  terminal: Attached,
  options: ShellOptions,
): Promise<HostExecution> {
  const { clock } = context.world;
  const startedAt = clock.monotonic();
  const { isRecipe } = context.run;
  using _warning = isRecipe || target.kind === "host"
    ? undefined
    : warnBeforeEnd(context, { tokens: [target.launch.token] });
  const disconnected = Promise.withResolvers<ExecResult>();
  const work = async () => {
    await using runner = await logIn(context, target, options);
    return await attach(context, terminal, { runner, options, disconnect: disconnected.resolve });
  };
  // Who disconnects does not wait for a machine that may not answer any more.
  const { exitCode, signal } = await named(context, target, () => Promise.race([work(), disconnected.promise]));
  return {
    host: target.name,
    id: idOf(target),
    status: exitCode === 0 ? "ok" : "failed",
    exitCode,
    signal: signal ?? null,
    stdout: "",
    stderr: "",
    encoding: "utf8",
    truncated: false,
    error: null,
    durationMs: Math.round(clock.monotonic() - startedAt),
  };
}

/** A session whose machine may use the agent is nobody else's. */
async function logIn(context: Context, target: Target, { share, forwardAgent }: ShellOptions): Promise<Runner> {
  if (forwardAgent === undefined) return await openRunner(context, target, { share });
  return await connectTarget(context, target, context.signal, { forwardAgent });
}

interface Attaching {
  readonly runner: Runner;
  readonly options: ShellOptions;
  disconnect(result: ExecResult): void;
}

async function attach(
  { world: { env }, globals, signal }: Context,
  { stdin, stdout, stderr }: Attached,
  { runner, options: { command }, disconnect }: Attaching,
): Promise<ExecResult> {
  const isTerminal = stdin.isTTY && stdout.isTTY;
  const ended = new AbortController();
  const output = {
    signal,
    onStdout: (chunk: Uint8Array) => stdout.write(chunk),
    onStderr: (chunk: Uint8Array) => stderr.write(chunk),
  };
  const typed = stdin.read({ raw: isTerminal && "both", signal: ended.signal });
  try {
    if (!isTerminal) return await runner.exec(command, { ...output, stdin: typed });
    const { columns, rows } = stdout;
    return await runner.exec(command, {
      ...output,
      stdin: withoutEscapes(typed, {
        show: (text) => stderr.write(text),
        disconnect() {
          ended.abort();
          // The terminal is still raw: a newline alone would stay in its column.
          if (!globals.quiet) void stderr.write("\r\ndisconnected\r\n").catch(() => {});
          disconnect({ exitCode: disconnectedExitCode });
        },
      }),
      pty: { columns, rows, term: env.TERM || "xterm-256color" },
      onResize: (listener) => stdout.onResize(() => listener({ columns: stdout.columns, rows: stdout.rows })),
    });
  } catch (error) {
    if (error instanceof SshError && error.reason === "lost" && isTerminal) await stderr.write("\r\n");
    throw error;
  } finally {
    ended.abort();
  }
}
