import { mkdir, rm } from "node:fs/promises";
import { messageOf } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import type { World } from "../../world.ts";
import { keepArtifacts } from "./artifacts.ts";
import { processesInGroups } from "./cgroup.ts";
import { extract } from "./extract.ts";
import { defaultLimits } from "./extract-checks.ts";
import { shutInWords } from "./isolation.ts";
import { type Artifact, countsText, type TestCounts } from "../job.ts";
import { environmentOf } from "./job-environment.ts";
import { runLine } from "./job-line.ts";
import type { JobLog } from "./job-log.ts";
import type { Isolation, JobLimits } from "./job-order.ts";
import { watchDisk } from "./disk.ts";
import { limit, type Limiting } from "./limits.ts";
import { Masker } from "./mask.ts";
import { endFamily, type Family } from "./processes.ts";
import { ProjectError, type ProjectPlan, readProject } from "./project.ts";
import { readResults } from "./results.ts";
import { TapCounter } from "./tap.ts";
import { ArchiveError } from "./zip-file.ts";

export interface RunnerOptions {
  readonly world: Pick<World, "spawn" | "clock" | "platform">;
  readonly id: string;
  readonly archive: string;
  readonly args: readonly string[];
  /** Where the project is unpacked; made for this job and removed after it. */
  readonly folder: string;
  /** Where its artifacts go; they are not kept without it. */
  readonly artifactFolder?: string;
  readonly log: Pick<JobLog, "write" | "note">;
  /** What the job's processes see, beside what the project and the secrets add. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Variables that are seen by the job alone, and by nobody in its log. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** A folder with a `bun`, searched after the rest of PATH. */
  readonly bunFolder?: string;
  /** What that `bun` starts, which an isolated job must see. */
  readonly executable?: string;
  readonly limits?: JobLimits;
  readonly isolation?: Isolation;
  /** Folders that an isolated job must not see. */
  readonly hidden?: readonly string[];
  /** Ends the job; the message of its reason goes into the log. */
  readonly signal: AbortSignal;
}

/** What became of a job. */
export interface JobOutcome {
  readonly success: boolean;
  /** Counted in its JUnit or TAP; undefined where it wrote none. */
  readonly results: TestCounts | undefined;
  readonly artifacts: readonly Artifact[];
}

/** How long processes have to end by themselves before they are killed. */
const graceMs = 2_000;

/** Unpacks, sets up and tests a project. Whatever goes wrong is in the job's log; nothing it started is left running. */
export async function runJob(options: RunnerOptions): Promise<JobOutcome> {
  const { log, folder, archive, signal } = options;
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await unpack(options);
    await rm(archive, { force: true });
    const plan = await readProject(folder, options.args);
    const shutIn = await shutInWords(plan, options);
    const tap = new TapCounter({ needsVersion: true });
    const success = await runPlan(plan, { ...options, shutIn, tap });
    return { success, ...(signal.aborted ? nothing : gather(plan, options, tap)) };
  } catch (error) {
    if (signal.aborted) log.note(`the job was stopped: ${messageOf(signal.reason)}`);
    else if (error instanceof ArchiveError) log.note(`the upload cannot be unpacked: ${error.message}`);
    else if (error instanceof ProjectError) log.note(error.message);
    else log.note(`the job could not be run: ${reasonOf(error)}`);
    return { success: false, ...nothing };
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    await rm(archive, { force: true }).catch(() => {});
  }
}

/** A large project may take its time, but no more than a job may take at all. */
async function unpack({ world, archive, folder, signal, limits = {} }: RunnerOptions): Promise<void> {
  const { unpackedFiles: entries = defaultLimits.entries, unpackedBytes = defaultLimits.bytes } = limits;
  const { timeoutMs = Infinity, diskBytes = Infinity } = limits;
  const bytes = Math.min(unpackedBytes, diskBytes);
  const late = new AbortController();
  const done = new AbortController();
  const end = () => late.abort(new ArchiveError(`that took longer than ${spokenMs(timeoutMs)}`));
  world.clock.sleep(timeoutMs, done.signal).then(end, () => {});
  try {
    const both = AbortSignal.any([signal, late.signal]);
    await extract(archive, folder, { limits: { entries, bytes }, signal: both, platform: world.platform });
  } finally {
    done.abort();
  }
}

const nothing = { results: undefined, artifacts: [] };

/** What every process of a job has in its environment. */
export function markOf(id: string): string {
  return `GPU_CI_JOB=${id}`;
}

type PlanOptions = RunnerOptions & { readonly shutIn: readonly string[]; readonly tap: TapCounter };

async function runPlan(plan: ProjectPlan, options: PlanOptions): Promise<boolean> {
  const { world, log, id, folder, limits = {} } = options;
  const walled = () => processesInGroups(id, world.platform);
  const family: Family = { groups: new Set(), mark: markOf(id), walled };
  const over = new AbortController();
  const done = new AbortController();
  const end = (why: string) => over.abort(new Error(why));
  const timeoutMs = Math.min(plan.timeoutMs, limits.timeoutMs ?? Infinity);
  world.clock.sleep(timeoutMs, done.signal).then(() => end(`it took longer than ${spokenMs(timeoutMs)}`), () => {});
  const { diskBytes, ...inForce } = stricter(limits, plan.limits);
  const limiting = limit(world, { id, limits: inForce });
  for (const problem of limiting.problems) log.note(problem);
  const watches = [
    limiting.watch(family, done.signal),
    watchDisk(folder, { maxBytes: diskBytes, clock: world.clock, signal: done.signal }),
  ];
  for (const watch of watches) void watch.then((found) => found !== undefined && end(found));
  const signal = AbortSignal.any([options.signal, over.signal]);
  try {
    return await runLines(plan, { ...options, limiting, family, signal });
  } catch (error) {
    if (!over.signal.aborted || options.signal.aborted) throw error;
    log.note(`the job was stopped: ${messageOf(over.signal.reason)}`);
    return false;
  } finally {
    done.abort();
    await endFamily(world, family, { graceMs });
    await limiting.end();
  }
}

async function runLines(
  plan: ProjectPlan,
  options: PlanOptions & { readonly limiting: Limiting; readonly family: Family },
): Promise<boolean> {
  const { world, log, folder, secrets = {}, limiting, shutIn, family, signal, tap } = options;
  const masker = new Masker(Object.values(secrets));
  const env = environmentOf(plan, options);
  const run = async (line: string, onText: (text: string) => void = () => {}) => {
    const write = (text: string) => {
      onText(text);
      log.write(masker.write(text));
    };
    try {
      return await runLine(line, { world, folder, env, prefix: limiting.prefix, shutIn, signal, family, write });
    } finally {
      log.write(masker.end());
    }
  };
  for (const line of plan.setup) {
    const end = await run(line);
    if (end === "exit code 0") continue;
    log.note(`the setup failed: \`${line}\` ended with ${end}${because(limiting)}`);
    return false;
  }
  const end = await run(plan.test, (text) => tap.write(text));
  const why = because(limiting);
  if (end.startsWith("signal") || (why !== "" && end !== "exit code 0")) {
    log.note(`\`${plan.test}\` ended with ${end}${why}`);
  }
  // A shell says so when it knows no such command.
  if (end === "exit code 127") log.note(`a command of \`${plan.test}\` (from ${plan.because}) is not installed here`);
  return end === "exit code 0";
}

function because(limiting: Limiting): string {
  const exceeded = limiting.exceeded();
  return exceeded === undefined ? "" : `: ${exceeded}`;
}

/** Takes what a job left: the counts of its tests, which its log ends with, and its artifacts. */
function gather(plan: ProjectPlan, { folder, artifactFolder, limits, log }: RunnerOptions, tap: TapCounter) {
  const report = plan.results === undefined ? { counts: tap.end(), problems: [] } : readResults(folder, plan.results);
  const kept = artifactFolder === undefined
    ? { artifacts: [], problems: [] }
    : keepArtifacts({ from: folder, to: artifactFolder, patterns: plan.artifacts, maxBytes: limits?.artifactBytes });
  for (const problem of [...report.problems, ...kept.problems]) log.note(problem);
  if (report.counts !== undefined) log.note(countsText(report.counts));
  return { results: report.counts, artifacts: kept.artifacts };
}

/** The server's limits, and where the project asks for less, the project's. */
function stricter(limits: JobLimits, wanted: JobLimits): JobLimits {
  const least = (...values: readonly (number | undefined)[]) => {
    const given = values.filter((value) => value !== undefined);
    return given.length === 0 ? undefined : Math.min(...given);
  };
  return {
    memoryBytes: least(limits.memoryBytes, wanted.memoryBytes),
    processes: least(limits.processes, wanted.processes),
    cpus: least(limits.cpus, wanted.cpus),
    diskBytes: least(limits.diskBytes, wanted.diskBytes),
  };
}

function spokenMs(ms: number): string {
  return ms < 60_000 ? `${ms / 1000} s` : `${Math.round(ms / 60_000)} min`;
}
