import type { Context } from "../command.ts";
import { durationMs } from "../duration.ts";
import { GpuError } from "../errors.ts";
import { selectTargets } from "../hosts/select.ts";
import type { Selection, Target } from "../hosts/target.ts";
import { onInstance } from "../instance/lost.ts";
import { warnBeforeEnd } from "../rent/lease-warning.ts";
import { SshError } from "../ssh/failure.ts";
import { runAttached } from "./attached.ts";
import { Room } from "./capture.ts";
import { capturedOutput } from "./captured.ts";
import { mostAtOnce } from "./descriptors.ts";
import type { HostExecution } from "./execution.ts";
import { fileOutput } from "./files.ts";
import { foldedOutput } from "./fold.ts";
import { liveOutput } from "./lines.ts";
import { runOnMany } from "./many.ts";
import { idOf, type Work } from "./on-host.ts";
import type { Output } from "./output.ts";
import { Gate } from "./pool.ts";
import type { Request } from "./request.ts";
import { type InputOfMany, openInput } from "./stdin.ts";
import { SudoPassword } from "./sudo.ts";
import { type Ended, summaryLines } from "./summary.ts";
import { TimeOver } from "./within-time.ts";

export interface ExecPlan {
  readonly selection: Selection;
  readonly request: Request;
  readonly jobs: number;
  readonly timeout?: string;
  readonly connectTimeout?: string;
  readonly failFast: boolean;
  readonly fold: boolean;
  readonly stdin: boolean;
  readonly sudo: boolean;
  readonly retry: number;
  readonly share: boolean;
  /** An absolute path. */
  readonly outputDir?: string;
}

/** So many log in at once, however many run. */
const mostLogins = 64;

/** As timeout(1). */
const timeoutExitCode = 124;

/** So much output is kept in memory at most, of all machines together; as text for JSON it takes several times as much. */
const keptBytes = { onCommandLine: 64 * 2 ** 20, inRecipe: 256 * 2 ** 20 };

/** Runs a command on one or many machines; gives what became of it on each as it ends. */
export async function* execOn(context: Context, plan: ExecPlan): AsyncGenerator<HostExecution, void, undefined> {
  const { attached, run } = context;
  const targets = await selectTargets(context, plan.selection);
  const tokens = targets.flatMap((target) => target.kind === "instance" ? [target.launch.token] : []);
  // A recipe hears of the leases of all that it rented.
  using _warning = run.isRecipe || tokens.length === 0 ? undefined : warnBeforeEnd(context, { tokens });
  const [only, ...others] = targets;
  const work = {
    request: plan.request,
    sudo: plan.sudo ? new SudoPassword(context) : undefined,
    timeoutMs: plan.timeout === undefined ? undefined : durationMs(plan.timeout),
    connectTimeoutMs: plan.connectTimeout === undefined ? undefined : durationMs(plan.connectTimeout),
    retries: plan.retry,
    share: plan.share && (others.length === 0 || "existing" as const),
    logins: new Gate(mostLogins),
  };
  if (only && others.length === 0 && attached && !plan.fold && plan.outputDir === undefined) {
    yield await runOnOne(context, only, work);
  } else {
    yield* runAndTell(context, targets, { plan, work });
  }
  context.signal.throwIfAborted();
}

/** Our terminal is the command's own. */
async function runOnOne(context: Context, target: Target, work: Omit<Work, "output">): Promise<HostExecution> {
  const { attached, world: { clock } } = context;
  if (attached === undefined) throw new Error("there is no terminal to hand over");
  const startedAt = clock.monotonic();
  const { exitCode, signal } = await named(
    context,
    target,
    () => runAttached(context, target, { terminal: attached, work }),
  );
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

async function* runAndTell(
  context: Context,
  targets: readonly Target[],
  { plan, work }: { plan: ExecPlan; work: Omit<Work, "output"> },
): AsyncGenerator<HostExecution, void, undefined> {
  const { world: { clock }, globals, run } = context;
  const startedAt = clock.monotonic();
  const { failFast } = plan;
  const jobs = jobsOf(context, targets, plan);
  const output = await outputFor(context, targets, plan);
  await using input = await inputFor(context, targets, { ...plan, jobs });
  const ended: Ended[] = [];
  for await (const end of runOnMany(context, targets, { work: { ...work, output }, jobs, failFast, input })) {
    const [only] = targets;
    // A recipe that talks to one machine is told as by any other function.
    if (run.isRecipe && only && targets.length === 1 && isThrown(end.execution)) {
      await named(context, only, () => Promise.reject(end.failure));
    }
    ended.push(end.summary);
    yield end.execution;
  }
  await output.end();
  if (globals.json || run.isRecipe) return;
  for (const line of summaryLines(ended, clock.monotonic() - startedAt)) context.note(line);
}

/** As many as were asked for, unless the system lets this process open fewer files. */
function jobsOf({ world, note }: Context, targets: readonly Target[], { jobs, outputDir }: ExecPlan): number {
  const most = mostAtOnce(world.platform, outputDir === undefined ? 1 : 3);
  if (Math.min(jobs, targets.length) <= most) return jobs;
  note(`warning: ${most} machines at once instead of ${jobs}: this process may open no more files (\`ulimit -n\`)`);
  return most;
}

function isThrown({ status }: HostExecution): boolean {
  return status === "unreachable" || status === "interrupted";
}

async function outputFor(context: Context, targets: readonly Target[], plan: ExecPlan): Promise<Output> {
  const { attached, run } = context;
  const room = new Room(run.isRecipe ? keptBytes.inRecipe : keptBytes.onCommandLine);
  if (plan.outputDir !== undefined) return await fileOutput(plan.outputDir);
  if (attached === undefined) return capturedOutput(room);
  if (plan.fold) return foldedOutput(context, attached, room);
  return liveOutput(context, attached, targets.map(({ name }) => name));
}

async function inputFor(
  context: Context,
  targets: readonly Target[],
  { stdin, jobs }: ExecPlan,
): Promise<InputOfMany | undefined> {
  const { world: { terminal }, globals, run } = context;
  // Under `--json` what is piped in goes along to one machine; a recipe's own stdin is not the command's.
  const isPiped = targets.length === 1 && globals.json && !run.isRecipe && !terminal.stdin.isTTY;
  return stdin || isPiped ? await openInput(context, { hostCount: targets.length, jobs }) : undefined;
}

/** Errors of the connection say which machine it was, and end as ssh does. */
export async function named<T>(context: Context, target: Target, work: () => Promise<T>): Promise<T> {
  try {
    return target.kind === "instance" ? await onInstance(context, target.launch, work) : await work();
  } catch (error) {
    if (context.signal.aborted) throw error;
    if (error instanceof TimeOver) throw new GpuError(error.message, { exitCode: timeoutExitCode, cause: error });
    if (!(error instanceof SshError)) throw error;
    throw new GpuError(`\`${target.name}\`: ${error.message}`, {
      hint: error.hint,
      exitCode: unreachableExitCode,
      cause: error,
    });
  }
}

/** As ssh: what goes wrong with the connection is not taken for the command's own exit code. */
const unreachableExitCode = 255;
