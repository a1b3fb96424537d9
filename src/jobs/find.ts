import type { Context } from "../command.ts";
import { NotFoundError, UsageError } from "../errors.ts";
import { selectTargets } from "../hosts/select.ts";
import type { Selection } from "../hosts/target.ts";
import { KeptJobs, type KnownJob } from "./kept.ts";
import { knownFrom } from "./outcome.ts";
import { onMachine, type Reach } from "./reach.ts";
import { parseReports } from "./report.ts";
import { reportScript } from "./scripts.ts";

export interface JobsMeant {
  /** Ids, unique beginnings of ids, and names. */
  readonly words: readonly string[];
  /** Machines that are asked for jobs which were started somewhere else; undefined: those known here are meant. */
  readonly place: Selection | undefined;
}

/** The jobs that are meant. A name means the jobs that were started last under it. */
export async function findJobs(context: Context, { words, place }: JobsMeant, reach: Reach): Promise<KnownJob[]> {
  const jobs = place ? await jobsAt(context, place, reach) : await new KeptJobs(context.world).all();
  if (words.length === 0) return [newest(jobs)];
  const found = words.flatMap((word) => meant(jobs, word, place !== undefined));
  return found.filter(({ id }, index) => found.findIndex((other) => other.id === id) === index);
}

/** The one job that is meant; without a word the one that was started last. */
export async function findJob(
  context: Context,
  { word, place }: { readonly word: string | undefined; readonly place: Selection | undefined },
  reach: Reach,
): Promise<KnownJob> {
  const [only, ...others] = await findJobs(context, { words: word === undefined ? [] : [word], place }, reach);
  if (only && others.length === 0) return only;
  const all = only ? [only, ...others] : others;
  throw new UsageError(`\`${word}\` was started on several machines`, {
    hint: `name one: ${all.map(({ id, machine }) => `\`${id}\` on \`${machine.name}\``).join(", ")}`,
  });
}

/** Every job on these machines, those started here with what is known of them here. */
export async function jobsAt(context: Context, place: Selection, reach: Reach): Promise<KnownJob[]> {
  const targets = await selectTargets(context, place);
  const kept = new KeptJobs(context.world);
  const each = await Promise.all(targets.map(async (target) => {
    const machine = reach.machine(target);
    const said = await onMachine(context, machine, () => reach.ask(machine, reportScript(undefined)));
    return await Promise.all(
      parseReports(said).map(async (report) => await kept.find(report.id) ?? knownFrom(report, machine)),
    );
  }));
  return each.flat().toSorted((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0));
}

function meant(jobs: readonly KnownJob[], word: string, isPlaceNamed: boolean): KnownJob[] {
  const exact = jobs.filter(({ id }) => id === word);
  if (exact.length > 0) return exact;
  const last = jobs.findLast(({ name }) => name === word);
  if (last) return jobs.filter(({ name, batch }) => name === word && batch === last.batch);
  const [only, ...others] = word === ""
    ? []
    : jobs.filter(({ id }) => id.startsWith(word) || id.startsWith(`j-${word}`));
  if (only && others.length === 0) return [only];
  if (only) {
    throw new UsageError(
      `\`${word}\` can mean several jobs: ${[only, ...others].map(({ id }) => `\`${id}\``).join(", ")}`,
    );
  }
  throw new NotFoundError(`there is no job \`${word}\`${isPlaceNamed ? " there" : " that was started here"}`, {
    hint: isPlaceNamed
      ? "`gpu job list` with the machine lists its jobs"
      : "`gpu job list` lists them; `--host` or `--instance` names a machine to look at",
  });
}

function newest(jobs: readonly KnownJob[]): KnownJob {
  const job = jobs.at(-1);
  if (job) return job;
  throw new NotFoundError("there is no job", { hint: "`gpu exec --detach -- …` starts one" });
}
