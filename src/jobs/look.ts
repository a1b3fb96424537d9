import type { Context } from "../command.ts";
import { messageOf } from "../errors.ts";
import type { Job } from "./job.ts";
import { KeptJobs, type KnownJob } from "./kept.ts";
import { endOf, isOver, jobOf } from "./outcome.ts";
import { MachineGone, type Reach } from "./reach.ts";
import { type JobReport, parseReports } from "./report.ts";
import { reportScript } from "./scripts.ts";

/** What the machine says of a job; undefined where it keeps nothing of it. */
export async function lookAt(
  reach: Reach,
  { id, machine }: KnownJob,
  signal: AbortSignal,
): Promise<JobReport | undefined> {
  return reportOf(await reach.ask(machine, reportScript([id]), { signal }), id);
}

/** The report of this one job among what a script printed. */
export function reportOf(said: string, id: string): JobReport | undefined {
  return parseReports(said).find((report) => report.id === id);
}

/** Writes down how a job ended, so that it is known also when its machine is gone. */
export async function settle(context: Context, known: KnownJob, report: JobReport | undefined): Promise<Job> {
  const kept = new KeptJobs(context.world);
  if (report && isOver(report)) {
    await kept.change(known.id, (job) => ({ ...job, isConfirmed: true, end: endOf(known, report) }));
  } else if (report && !known.isConfirmed) await kept.change(known.id, (job) => ({ ...job, isConfirmed: true }));
  if (report) return jobOf(known, report);
  // Nothing is kept there: either it never began, or it was deleted meanwhile.
  await kept.forget(known.id);
  const reason = known.isConfirmed ? "it was deleted on its machine" : "the connection was lost before it began";
  return jobOf(known, undefined, { state: known.isConfirmed ? "lost" : "not started", reason });
}

/** A job whose machine cannot be asked. Where that is gone for good, nothing will ever be known. */
export async function unasked(context: Context, known: KnownJob, error: unknown): Promise<Job> {
  const isGone = error instanceof MachineGone;
  const problem = { state: isGone ? "machine gone" : "unreachable", reason: messageOf(error) } as const;
  if (isGone) {
    const end = { ...problem, exitCode: null, endedAt: context.world.clock.now() };
    await new KeptJobs(context.world).change(known.id, (job) => ({ ...job, end }));
  }
  return jobOf(known, undefined, problem);
}
