import { constants } from "node:os";
import type { Context } from "../command.ts";
import { GpuError, NotFoundError, UsageError } from "../errors.ts";
import { type Job, jobLabel } from "./job.ts";
import { KeptJobs, type KnownJob } from "./kept.ts";
import { reportOf, settle } from "./look.ts";
import { isOver, jobOf } from "./outcome.ts";
import { MachineGone, onMachine, type Reach } from "./reach.ts";
import { deleteScript, type StopOrder, stopScript } from "./scripts.ts";

/** Ends a job with all that it started, and returns how it is then. One that has ended already is no error. */
export async function stopJob(
  context: Context,
  job: KnownJob,
  { reach, ...order }: StopOrder & { readonly reach: Reach },
): Promise<Job> {
  if (job.end) return jobOf(job, undefined);
  const { machine, id } = job;
  const said = await onMachine(
    context,
    machine,
    () => reach.ask(machine, stopScript(id, order), { endsWithUs: false }),
  );
  const report = reportOf(said, id);
  const now = await settle(context, job, report);
  if (report === undefined) {
    throw new NotFoundError(`nothing of ${jobLabel(job)} is on \`${machine.name}\`: ${now.reason}`);
  }
  if (isOver(report)) return now;
  throw new GpuError(`${jobLabel(job)} on \`${machine.name}\` did not end, not even by KILL`, {
    hint: "another user's processes need `gpu exec --sudo -- kill`",
  });
}

/** `SIGTERM` or `TERM`, as `kill` takes it. */
export function parseSignal(text: string): string {
  const name = text.toUpperCase().replace(/^SIG/, "");
  if (Object.hasOwn(constants.signals, `SIG${name}`)) return name;
  throw new UsageError(`\`${text}\` is no signal`, { hint: "`TERM`, `INT`, `HUP`, `KILL`, …" });
}

/** Removes what is kept of a job, on its machine and here. Rejects where it runs. */
export async function deleteJob(context: Context, job: KnownJob, reach: Reach): Promise<void> {
  const { machine, id } = job;
  let said: string;
  try {
    said = await onMachine(context, machine, () => reach.ask(machine, deleteScript(id)));
  } catch (error) {
    if (error instanceof MachineGone) return await forgetJob(context, job);
    throw error;
  }
  const report = reportOf(said, id);
  if (report === undefined) return void await settle(context, job, undefined);
  throw new GpuError(`${jobLabel(job)} runs on \`${machine.name}\``, { hint: `\`gpu job stop ${id}\` ends it` });
}

/** Knows nothing of a job any more; its machine is not asked. */
export async function forgetJob({ world }: Context, { id }: KnownJob): Promise<void> {
  await new KeptJobs(world).forget(id);
}
