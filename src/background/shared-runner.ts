import type { Context } from "../command.ts";
import { readVariable } from "../env.ts";
import { GpuError, LoginError, NotFoundError, UsageError } from "../errors.ts";
import type { Target } from "../hosts/target.ts";
import type { ExecOptions, ExecResult, Runner } from "../ssh/exec.ts";
import { SshError } from "../ssh/failure.ts";
import { backgroundClient, findBackground } from "./client.ts";
import { visit, type VisitEnds } from "./visit-client.ts";
import type { Done, Failure } from "./visit-protocol.ts";

export interface SharedRunnerOptions {
  readonly signal: AbortSignal;
  /** Only a session that is there already is used, and nothing is started. */
  readonly isThere: boolean;
}

/** How long the background process may take to start; without it a command connects by itself. */
const startTimeoutMs = 3_000;

/** A session of the background process. Undefined where there is none to be had: connect by yourself. */
export async function openSharedRunner(
  context: Context,
  target: Target,
  { signal, isThere }: SharedRunnerOptions,
): Promise<Runner | undefined> {
  const { world, shared } = context;
  if (shared) {
    const { session, ...lease } = await shared.lease(context, target, signal);
    return {
      exec: (command, options) => session.exec(command, options),
      [Symbol.asyncDispose]: () => Promise.resolve(lease[Symbol.dispose]()),
    };
  }
  if (readVariable(world.env, "GPU_NO_SHARE") !== undefined) return undefined;
  if (isThere ? !await isAnyThere(context) : !await start(context, signal)) return undefined;
  if (!await logIn(context, target, { signal, isThere })) return undefined;
  return {
    exec: (command, options = {}) => exec(context, target, { command, options }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Asked once for all machines of a command. */
const asked = new WeakMap<Context, Promise<boolean>>();

function isAnyThere(context: Context): Promise<boolean> {
  const ask = async () => {
    using background = await findBackground(context.world);
    return (await background?.sessions().catch(() => []) ?? []).length > 0;
  };
  const known = asked.get(context) ?? ask();
  asked.set(context, known);
  return known;
}

async function start({ world }: Context, signal: AbortSignal): Promise<boolean> {
  try {
    using _background = await backgroundClient(world, { signal, startTimeoutMs });
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

/** Says whether there is a session now. */
async function logIn(context: Context, target: Target, { signal, isThere }: SharedRunnerOptions): Promise<boolean> {
  const { world, globals: { quiet, verbose, color, yes } } = context;
  const { stdin, stdout, stderr } = world.terminal;
  context.progress(undefined);
  const done = await visit(world, { want: "login", target, isThere, globals: { quiet, verbose, color, yes } }, {
    signal,
    read: (options) => stdin.read(options),
    onStdout: (bytes) => stdout.write(bytes),
    onStderr: (bytes) => stderr.write(bytes),
    onResize: (listener) => stdout.onResize(() => listener(stdout)),
  });
  signal.throwIfAborted();
  if (done && "failure" in done) throw revive(done.failure);
  return done !== undefined;
}

interface Work {
  readonly command: string;
  readonly options: ExecOptions;
}

/** What is declined was not begun: the session had ended, or has no place for one more command. */
async function exec(context: Context, target: Target, work: Work): Promise<ExecResult> {
  const { signal = context.signal } = work.options;
  for (let attempt = 0; attempt < 3; attempt++) {
    const done = await visitExec(context, target, work);
    signal.throwIfAborted();
    if (done && "failure" in done) throw revive(done.failure);
    if (done) return done;
    if (!await logIn(context, target, { signal, isThere: false })) break;
  }
  const { connectTarget } = await import("../hosts/connect.ts");
  await using session = await connectTarget(context, target, signal);
  return await session.exec(work.command, work.options);
}

async function visitExec({ world }: Context, target: Target, { command, options }: Work): Promise<Done | undefined> {
  const { stdin, onStdout, onStderr, onResize, signal, ...plain } = options;
  const ends: VisitEnds = {
    signal,
    onStdout,
    onStderr,
    onResize,
    read: () => asStream(stdin),
  };
  return await visit(
    world,
    { want: "exec", target, command, options: plain, hasStdin: stdin !== undefined },
    ends,
  );
}

async function* asStream(stdin: ExecOptions["stdin"]): AsyncGenerator<Uint8Array> {
  if (typeof stdin === "string") yield new TextEncoder().encode(stdin);
  else if (stdin instanceof Uint8Array) yield stdin;
  else if (stdin) yield* stdin;
}

/** The error as it was thrown in the other process. */
function revive({ message, reason, ...options }: Failure): GpuError {
  if (reason !== undefined) return new SshError(message, { reason, ...options });
  switch (options.kind) {
    case "usage":
      return new UsageError(message, options);
    case "login":
      return new LoginError(message, options);
    case "not-found":
      return new NotFoundError(message, options);
  }
  return new GpuError(message, options);
}
