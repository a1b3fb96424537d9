import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import { selectTargets } from "../hosts/select.ts";
import type { Selection } from "../hosts/target.ts";
import type { Job } from "./job.ts";
import { KeptJobs, type KnownJob, machineKey } from "./kept.ts";
import { settle, unasked } from "./look.ts";
import { jobOf, knownFrom } from "./outcome.ts";
import { onMachine, type Reach } from "./reach.ts";
import { parseReports } from "./report.ts";
import { reportScript } from "./scripts.ts";

/** The jobs that were started here, as their machines tell of them; what has ended is known without asking. */
export async function listKept(context: Context, reach: Reach): Promise<Job[]> {
  const jobs = await new KeptJobs(context.world).all();
  const byMachine = Map.groupBy(jobs.filter(({ end }) => end === null), ({ machine }) => machineKey(machine));
  const asked = await Promise.all([...byMachine.values()].map((of) => lookAtAll(context, of, reach)));
  const answers = new Map(asked.flat().map((job) => [job.id, job]));
  return jobs.map((job) => answers.get(job.id) ?? jobOf(job, undefined));
}

/** Every job on these machines, whoever started it. A machine that does not answer is said. */
export async function listAt(context: Context, place: Selection, reach: Reach): Promise<Job[]> {
  const targets = await selectTargets(context, place);
  const kept = new KeptJobs(context.world);
  const listed = await Promise.all(targets.map(async (target) => {
    const machine = reach.machine(target);
    try {
      const reports = parseReports(
        await onMachine(context, machine, () => reach.ask(machine, reportScript(undefined))),
      );
      return await Promise.all(reports.map(async (report) => {
        const known = await kept.find(report.id) ?? knownFrom(report, machine);
        return await settle(context, known, report);
      }));
    } catch (error) {
      if (targets.length === 1 || context.signal.aborted) throw error;
      context.note(`warning: ${messageOf(error)}`);
      const here = (await kept.all()).filter((job) => machineKey(job.machine) === machineKey(machine));
      return await Promise.all(here.map((job) => job.end ? jobOf(job, undefined) : unasked(context, job, error)));
    }
  }));
  return listed.flat().toSorted((a, b) => (a.startedAt ?? "").localeCompare(b.startedAt ?? ""));
}

async function lookAtAll(context: Context, jobs: readonly KnownJob[], reach: Reach): Promise<Job[]> {
  const [first] = jobs;
  if (first === undefined) return [];
  const { machine } = first;
  try {
    const said = await onMachine(context, machine, () => reach.ask(machine, reportScript(jobs.map(({ id }) => id))));
    const reports = parseReports(said);
    return await Promise.all(jobs.map((job) => settle(context, job, reports.find(({ id }) => id === job.id))));
  } catch (error) {
    context.signal.throwIfAborted();
    // A machine that does not answer, or does not let us in, keeps none of the others from being listed.
    if (!(error instanceof GpuError)) throw error;
    return await Promise.all(jobs.map((job) => unasked(context, job, error)));
  }
}
