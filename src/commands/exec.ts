import { isUtf8 } from "node:buffer";
import { z } from "zod";
import { type Attached, type Context, defineCommand } from "../command.ts";
import type { ExecOptions, ExecResult } from "../ssh/exec.ts";
import type { Session } from "../ssh/session.ts";

export default defineCommand({
  name: "exec",
  summary: "Run a command on an instance",
  description:
    "One argument behind the dashes is a line for the instance's shell; several are a program and its arguments, each quoted for you.\n" +
    "Input, output and the exit code are the command's own.",
  effect: "write",
  examples: [
    { command: "gpu exec -- nvidia-smi -L", says: "on the only instance there is" },
    { command: "gpu exec i-3f9a1c20 -- 'ls *.log | wc -l'", says: "a line for its shell" },
    { command: "gpu exec trainer -- python3 - < train.py", says: "input goes along" },
  ],
  input: z.object({
    instance: z.string().optional().meta({
      positional: true,
      complete: "instance",
      description: "id, unique beginning of an id, or name; may be left out where there is one",
    }),
    command: z.array(z.string()).min(1, "there is nothing to run").meta({
      rest: true,
      description: "command to run there",
    }),
  }),
  output: z.object({
    id: z.string().describe("instance it ran on"),
    exitCode: z.number().int().describe("its exit code; 128 and the signal's number where a signal ended it"),
    signal: z.string().nullable().describe("signal that ended it"),
    stdout: z.string().describe("what it printed; empty where that went to the terminal"),
    stderr: z.string().describe("its errors; empty where they went to the terminal"),
    encoding: z.enum(["utf8", "base64"]).describe("of stdout and stderr: base64 where they are not UTF-8"),
    durationMs: z.number().describe("from its start to its end, in milliseconds"),
  }),
  async run({ instance, command }, context) {
    const { oneLaunch } = await import("../rent/fleet.ts");
    const { connectInstance } = await import("../rent/connect.ts");
    const { onInstance } = await import("../instance/lost.ts");
    const { commandLine } = await import("../quote.ts");
    const launch = await oneLaunch(context, instance);
    const startedAt = context.world.clock.now();
    const ran = await onInstance(context, launch, async () => {
      await using session = await connectInstance(context.world, launch, context.signal);
      return await runThere(session, commandLine(command), context);
    });
    return { id: launch.instanceId ?? launch.token, ...ran, durationMs: context.world.clock.now() - startedAt };
  },
  exitCode: ({ exitCode }) => exitCode,
  view: () => undefined,
});

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
