import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import type { Target } from "../hosts/target.ts";
import { addressText, SshError } from "../ssh/failure.ts";
import { oneLine } from "../safe-text.ts";
import { type Captured, nothingCaptured } from "./capture.ts";
import type { HostExecution, Status } from "./execution.ts";
import { FirstLine } from "./first-line.ts";
import type { Output } from "./output.ts";
import { logIn } from "./log-in.ts";
import type { Gate } from "./pool.ts";
import { buildCommand, type Request } from "./request.ts";
import type { ExecResult, Runner, RunnerOptions } from "./runner.ts";
import { joined } from "./stdin.ts";
import { elevate, type SudoPassword } from "./sudo.ts";
import type { Ended } from "./summary.ts";
import { TimeOver, withinTime } from "./within-time.ts";

/** What is run on each machine, and how. */
export interface Work {
  readonly request: Request;
  readonly sudo: SudoPassword | undefined;
  /** Of the command itself, in milliseconds. */
  readonly timeoutMs: number | undefined;
  /** Until the login is done, in milliseconds. */
  readonly connectTimeoutMs: number | undefined;
  /** How often a login that nobody answers is tried again. */
  readonly retries: number;
  readonly share: RunnerOptions["share"];
  readonly output: Output;
  /** So many log in at once: more would only wait for the processor, and count it against their time. */
  readonly logins: Gate;
}

/** What became of it, and why in short. */
export interface HostEnd {
  readonly execution: HostExecution;
  readonly summary: Ended;
  /** What was thrown, where there is no result. */
  readonly failure: unknown;
}

/** Runs the work on one machine. What goes wrong there is in what is returned; what goes wrong here is thrown. */
export async function runOnHost(
  context: Context,
  target: Target,
  { work, signal, stdin }: { work: Work; signal: AbortSignal; stdin: AsyncIterable<Uint8Array> | undefined },
): Promise<HostEnd> {
  const { clock } = context.world;
  const startedAt = clock.monotonic();
  const output = await work.output.open(target.name);
  const firstLine = new FirstLine();
  let isLoggedIn = false;
  let isRunning = false;
  let ran: ExecResult | undefined;
  let failure: unknown;
  const run = async (runner: Runner) => {
    const elevation = work.sudo && await elevate(runner, work.sudo, signal);
    const { command, ahead, killThrough } = buildCommand(work.request, { elevation });
    isRunning = true;
    return await withinTime(
      context,
      { signal, ms: work.timeoutMs, late: (ms) => `it did not end within ${ms / 1000} s` },
      (limit) =>
        runner.exec(command, {
          signal: limit,
          endsAll: true,
          killThrough,
          stdin: stdin ? joined(ahead, stdin) : ahead || undefined,
          onStdout: (chunk) => {
            firstLine.add("stdout", chunk);
            return output.write("stdout", chunk);
          },
          onStderr: (chunk) => {
            firstLine.add("stderr", chunk);
            return output.write("stderr", chunk);
          },
        }),
    );
  };
  try {
    await using runner = await logIn(context, target, { ...work, signal });
    isLoggedIn = true;
    ran = await run(runner);
  } catch (error) {
    failure = error;
  }
  const captured = await output.end(isRunning);
  if (ran === undefined && isOurs(failure, signal)) throw failure;
  const durationMs = Math.round(clock.monotonic() - startedAt);
  const status = ran === undefined ? statusOf(failure, { signal, isLoggedIn }) : ran.exitCode === 0 ? "ok" : "failed";
  return endOf({ target, ran, status, failure, captured, firstLine: firstLine.text, durationMs });
}

/** What no other machine can do better: our own disk, our own terminal, a bug. */
function isOurs(error: unknown, signal: AbortSignal): boolean {
  return !signal.aborted && !(error instanceof GpuError);
}

function statusOf(failure: unknown, { signal, isLoggedIn }: { signal: AbortSignal; isLoggedIn: boolean }): Status {
  if (failure instanceof TimeOver) return "timeout";
  if (signal.aborted) return "interrupted";
  // A connection that is lost says nothing of the command.
  return isLoggedIn && !(failure instanceof SshError) ? "failed" : "unreachable";
}

interface Outcome {
  readonly target: Target;
  readonly ran: ExecResult | undefined;
  readonly status: Status;
  readonly failure: unknown;
  readonly captured: Captured;
  readonly firstLine: string;
  readonly durationMs: number;
}

function endOf({ target, ran, status, failure, captured, firstLine, durationMs }: Outcome): HostEnd {
  const error = ran === undefined ? oneLine(messageOf(failure), 500) : null;
  const execution: HostExecution = {
    host: target.name,
    id: idOf(target),
    status,
    exitCode: ran?.exitCode ?? null,
    signal: ran?.signal ?? null,
    ...captured,
    error,
    durationMs,
  };
  const { host, exitCode, signal, truncated } = execution;
  return { execution, failure, summary: { host, status, exitCode, signal, truncated, reason: error ?? firstLine } };
}

/** The machine was never tried, since the command was ended before its turn. */
export function notBegun(target: Target, signal: AbortSignal): HostEnd {
  return endOf({
    target,
    ran: undefined,
    status: "interrupted",
    failure: signal.reason,
    captured: nothingCaptured,
    firstLine: "",
    durationMs: 0,
  });
}

/** The id of an instance, or where a host is. */
export function idOf(target: Target): string {
  return target.kind === "instance"
    ? target.launch.instanceId ?? target.launch.token
    : addressText(target.login.address);
}
