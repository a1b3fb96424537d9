import type { ChildProcess } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { messageOf } from "../errors.ts";
import type { World } from "../world.ts";
import { extract, type ExtractLimits } from "./extract.ts";
import type { JobLog } from "./job-log.ts";
import { endFamily, type Family, forgetIfEmpty } from "./processes.ts";
import { ProjectError, type ProjectPlan, readProject } from "./project.ts";
import { ArchiveError } from "./zip-directory.ts";

export interface RunnerOptions {
  readonly world: World;
  readonly id: string;
  readonly archive: string;
  readonly args: readonly string[];
  /** Where the project is unpacked; made for this job and removed after it. */
  readonly folder: string;
  readonly log: JobLog;
  /** What the job's processes see, beside what the project adds. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A folder with a `bun`, searched after the rest of PATH. */
  readonly bunFolder?: string;
  readonly limits?: ExtractLimits;
  /** Ends the job; a reason that is a text goes into its log. */
  readonly signal: AbortSignal;
}

/** How long processes have to end by themselves before they are killed. */
const graceMs = 2_000;
/** How long output may still come from what outlives the line that started it. */
const drainMs = 250;

/** Unpacks, sets up and tests a project. Whatever goes wrong is in the job's log; nothing it started is left running. */
export async function runJob(options: RunnerOptions): Promise<boolean> {
  const { log, folder, archive } = options;
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await extract(archive, folder, { limits: options.limits, signal: options.signal });
    const plan = await readProject(folder, options.args);
    return await runPlan(plan, options);
  } catch (error) {
    if (options.signal.aborted) log.note(`the job was stopped: ${messageOf(options.signal.reason)}`);
    else if (error instanceof ArchiveError) log.note(`the upload cannot be unpacked: ${error.message}`);
    else if (error instanceof ProjectError) log.note(error.message);
    else log.note(`the job could not be run: ${messageOf(error)}`);
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    await rm(archive, { force: true }).catch(() => {});
  }
}

async function runPlan(plan: ProjectPlan, options: RunnerOptions): Promise<boolean> {
  const { world, log } = options;
  const family: Family = { groups: new Set(), mark: markOf(options.id) };
  const env = environmentOf(plan, options);
  const over = new AbortController();
  const timer = new AbortController();
  world.clock.sleep(plan.timeoutMs, timer.signal).then(
    () => over.abort(new Error(`it took longer than ${spokenMs(plan.timeoutMs)}`)),
    () => {},
  );
  const signal = AbortSignal.any([options.signal, over.signal]);
  const run = (line: string) => runLine(line, { ...options, env, signal, family });
  try {
    for (const line of plan.setup) {
      const end = await run(line);
      if (end !== "exit code 0") {
        log.note(`the setup failed: \`${line}\` ended with ${end}`);
        return false;
      }
    }
    const end = await run(plan.test);
    if (end.startsWith("signal")) log.note(`\`${plan.test}\` ended with ${end}`);
    // A shell says so when it knows no such command.
    if (end === "exit code 127") {
      log.note(`a command of \`${plan.test}\` (from ${plan.because}) is not installed here`);
    }
    return end === "exit code 0";
  } catch (error) {
    if (!over.signal.aborted || options.signal.aborted) throw error;
    log.note(`the job was stopped: ${messageOf(over.signal.reason)}`);
    return false;
  } finally {
    timer.abort();
    await endFamily(world, family, { graceMs });
  }
}

/** Runs one shell line, its output into the log, and says how it ended. Rejects as soon as the signal fires. */
async function runLine(
  line: string,
  { world, folder, log, env, signal, family }: RunnerOptions & {
    env: Readonly<Record<string, string | undefined>>;
    family: Family;
  },
): Promise<string> {
  signal.throwIfAborted();
  const child = world.spawn(["sh", "-c", `exec 2>&1\n${line}`], {
    cwd: folder,
    env,
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const stop = () => failed.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  child.on("error", failed.reject);
  const { pid } = child;
  if (pid !== undefined) {
    family.groups.add(pid);
    child.once("exit", () => forgetIfEmpty(family, pid));
  }
  const closed = Promise.all([collect(child.stdout, log, failed.reject), collect(child.stderr, log, failed.reject)]);
  try {
    const end = await Promise.race([ended(child), failed.promise]);
    // What the line left in the background may keep the pipe open for ever.
    await Promise.race([closed, world.clock.sleep(drainMs), failed.promise]);
    return end;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`));
  });
}

/** Output into the log as it comes; what is not UTF-8 is replaced, a character cut in two is put together. */
function collect(stream: ChildProcess["stdout"], log: JobLog, onFailure: (error: unknown) => void): Promise<void> {
  if (stream === null) return Promise.resolve();
  const decoder = new TextDecoder();
  const write = (text: string) => {
    try {
      log.write(text);
    } catch (error) {
      onFailure(error); // A full disk ends the job, not the server.
    }
  };
  stream.on("data", (piece: Uint8Array) => write(decoder.decode(piece, { stream: true })));
  return new Promise((resolve) => {
    stream.on("error", () => resolve());
    stream.on("close", () => {
      const rest = decoder.decode();
      if (rest !== "") write(rest);
      resolve();
    });
  });
}

function markOf(id: string): string {
  return `GPU_CI_JOB=${id}`;
}

function environmentOf(
  plan: ProjectPlan,
  { environment, bunFolder, folder, id }: RunnerOptions,
): Record<string, string | undefined> {
  const path = environment.PATH ?? "/usr/local/bin:/usr/bin:/bin";
  return {
    ...environment,
    CI: "true",
    PWD: folder,
    ...plan.env,
    PATH: bunFolder === undefined ? plan.env.PATH ?? path : `${plan.env.PATH ?? path}:${bunFolder}`,
    GPU_CI_JOB: id,
  };
}

function spokenMs(ms: number): string {
  return ms < 60_000 ? `${ms / 1000} s` : `${Math.round(ms / 60_000)} min`;
}
