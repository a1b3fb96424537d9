import type { Context } from "../command.ts";
import { durationMs } from "../duration.ts";
import { GpuError, messageOf, UsageError } from "../errors.ts";
import { selectTargets } from "../hosts/select.ts";
import type { Target } from "../hosts/target.ts";
import { Reach } from "../jobs/reach.ts";
import { startJob } from "../jobs/start.ts";
import { oneLine } from "../safe-text.ts";
import { SshError } from "../ssh/failure.ts";
import { nothingCaptured } from "./capture.ts";
import { type ExecPlan, named } from "./exec.ts";
import type { HostExecution } from "./execution.ts";
import { logIn } from "./log-in.ts";
import { idOf } from "./on-host.ts";
import { Gate, inPool } from "./pool.ts";
import { buildCommand } from "./request.ts";
import { elevate, SudoPassword } from "./sudo.ts";

export interface DetachPlan extends ExecPlan {
  readonly name: string | undefined;
  /** For people: what was typed. */
  readonly shown: string;
}

const mostLogins = 64;

/** Starts a command on one or many machines that goes on without us; gives what became of the start on each. */
export async function* detachOn(context: Context, plan: DetachPlan): AsyncGenerator<HostExecution, void, undefined> {
  refuseAttached(plan);
  const targets = await selectTargets(context, plan.selection);
  const options = {
    connectTimeoutMs: plan.connectTimeout === undefined ? undefined : durationMs(plan.connectTimeout),
    retries: plan.retry,
    share: plan.share && (targets.length === 1 || "existing" as const),
    logins: new Gate(mostLogins),
  };
  await using reach = new Reach(context, (target, signal) => logIn(context, target, { ...options, signal }));
  const password = plan.sudo ? new SudoPassword(context) : undefined;
  const batch = Buffer.from(context.world.random(6)).toString("hex");
  const { name, shown, request } = plan;
  const startOn = async (target: Target): Promise<string> => {
    const elevation = password &&
      await reach.with(reach.machine(target), (runner) => elevate(runner, password, context.signal));
    const { command, ahead } = buildCommand(request, { elevation });
    return (await startJob(context, target, { name, batch, shown, command, ahead, reach })).id;
  };
  const start = async (target: Target): Promise<HostExecution> => {
    const startedAt = context.world.clock.monotonic();
    const spent = () => Math.round(context.world.clock.monotonic() - startedAt);
    try {
      const id = await startOn(target);
      if (!context.globals.json) {
        context.note(`${id}${name === undefined ? "" : ` (${name})`} runs on ${target.name}`);
      }
      return { ...resultOf(target, spent()), status: "started", job: id };
    } catch (error) {
      if (context.signal.aborted || !(error instanceof GpuError)) throw error;
      if (targets.length === 1) return await named(context, target, () => Promise.reject(error));
      const status = error instanceof SshError ? "unreachable" : "failed";
      const reason = oneLine(messageOf(error), 500);
      if (!context.globals.json) context.note(`${target.name}: ${reason}`);
      return { ...resultOf(target, spent()), status, error: reason };
    }
  };
  yield* inPool(targets, plan.jobs, start);
}

/** What only makes sense while somebody waits for the command. */
function refuseAttached({ fold, stdin, timeout, failFast, outputDir }: DetachPlan): void {
  const flags = {
    "--fold": fold,
    "--stdin": stdin,
    "--timeout": timeout !== undefined,
    "--fail-fast": failFast,
    "--output-dir": outputDir !== undefined,
  };
  const [flag] = Object.entries(flags).find(([, isGiven]) => isGiven) ?? [];
  if (flag === undefined) return;
  throw new UsageError(`\`${flag}\` is for a command that is waited for, and \`--detach\` waits for none`, {
    hint: flag === "--timeout" ? "`timeout 2h …` as the command ends itself" : "`gpu job log` shows what it prints",
  });
}

function resultOf(target: Target, durationMs: number): HostExecution {
  return {
    host: target.name,
    id: idOf(target),
    status: "failed",
    exitCode: null,
    signal: null,
    ...nothingCaptured,
    error: null,
    durationMs,
  };
}
