import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { childEnvironment } from "../../env.ts";
import { jsonOf } from "../../http/json.ts";
import { isLocked } from "../../lock.ts";
import { sendSignal } from "../../processes.ts";
import type { World } from "../../world.ts";
import { processesInGroups, removeControlGroups } from "./cgroup.ts";
import { JobEnd, jobFiles, type JobOrder, JobState } from "./job-order.ts";
import { endFamily } from "./processes.ts";
import { markOf } from "./runner.ts";

/** How a job ended. */
export interface Ending extends JobEnd {
  /** For the job's log, where its own process can say nothing any more. */
  readonly note?: string;
}

/** A job that a process of its own runs, seen from the server. */
export interface RunningJob {
  /** How it ended: also when its process was killed, then as `lost`. Rejects only when its signal fires. */
  readonly ended: Promise<Ending>;
  /** Ends it with all it started; `why` goes into its log. May be called again. */
  stop(why: string): void;
}

type Outside = Pick<World, "clock" | "platform">;

interface Place {
  /** The job's own folder. */
  readonly folder: string;
  readonly id: string;
}

/**
 * Runs a job in a process of its own, which writes the job's log and survives the server. Secrets go to it through a
 * pipe and are never on the disk. The folder is made; `removeJob` removes it.
 */
export function startJob(
  world: Outside & Pick<World, "spawn" | "self" | "env">,
  { folder, order, secrets = {} }: {
    folder: string;
    order: JobOrder;
    secrets?: Readonly<Record<string, string>>;
  },
): RunningJob {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, jobFiles.order), JSON.stringify(order), { mode: 0o600 });
  const child = world.spawn([...world.self, ":ci-job", folder], {
    cwd: folder,
    env: childEnvironment(world.env),
    detached: true,
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  const over = Promise.withResolvers<void>();
  child.once("exit", () => over.resolve());
  child.once("error", () => over.resolve());
  child.stdin?.on("error", () => {}); // That it has ended is told by `exit`.
  child.stdin?.end(JSON.stringify(secrets));
  const ended = over.promise.then(() => endOf(world, { folder, id: order.id }));
  return { ended, stop: (why) => stopJob(world, { folder, why, ended }) };
}

/** The job that an earlier server started in that folder; it may be over meanwhile. */
export function findJob(world: Outside, { signal, ...place }: Place & { signal?: AbortSignal }): RunningJob {
  const ended = waitUntilGone(world, place.folder, signal).then(() => endOf(world, place));
  return { ended, stop: (why) => stopJob(world, { folder: place.folder, why, ended }) };
}

/** Whether the job's process came as far as to read what it has to do: before that nothing of the project was run. */
export function hasBegun(folder: string): boolean {
  return stateOf(folder) !== undefined;
}

/** Removes all there is of a job but its log and its upload. */
export function removeJob(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** A process that was just started has so long to say that it is there. */
const arrivalMs = 10_000;
const pollMs = 100;

async function waitUntilGone({ clock }: Pick<World, "clock">, folder: string, signal?: AbortSignal): Promise<void> {
  const order = join(folder, jobFiles.order);
  const hasArrived = () => stateOf(folder) !== undefined || !existsSync(order);
  // A clock that was put back makes it come from the future.
  const isNew = () => Math.abs(clock.now() - statSync(order).mtimeMs) < arrivalMs;
  while (isLocked(join(folder, jobFiles.alive)) || (!hasArrived() && isNew())) await clock.sleep(pollMs, signal);
}

/** What the process wrote last; where it could not, what it started is ended here. */
async function endOf(world: Outside, { folder, id }: Place): Promise<Ending> {
  const end = JobEnd.safeParse(jsonOf(textOf(join(folder, jobFiles.end))));
  if (end.success) return end.data;
  const walled = () => processesInGroups(id, world.platform);
  await endFamily(world, { groups: new Set(), mark: markOf(id), walled }, { graceMs: 0 });
  removeControlGroups(id, world.platform);
  rmSync(join(folder, jobFiles.project), { recursive: true, force: true });
  const why = textOf(join(folder, jobFiles.stop));
  const ending = why === ""
    ? { status: "lost", note: "what ran this job is gone without a word; all it had started is ended" } as const
    : { status: "cancelled", note: `the job was stopped: ${why}; what ran it did not listen and was killed` } as const;
  return { ...ending, success: false, endedAt: world.clock.now(), artifacts: [] };
}

/** What runs a job has so long to end it when it is told to; a job may have stopped the very process that should. */
const patienceMs = 30_000;

function stopJob(
  { clock }: Outside,
  { folder, why, ended }: { folder: string; why: string; ended: Promise<unknown> },
): void {
  try {
    // Before the signal, and for a process that does not listen yet: it looks for this when it does.
    writeFileSync(join(folder, jobFiles.stop), why, { mode: 0o600, flag: "wx" });
  } catch {
    return; // It is told already, or is gone.
  }
  tell(folder, "SIGTERM");
  const done = new AbortController();
  ended.finally(() => done.abort()).catch(() => {});
  clock.sleep(patienceMs, done.signal).then(() => tell(folder, "SIGKILL"), () => {});
}

function tell(folder: string, signal: NodeJS.Signals): void {
  const state = stateOf(folder);
  // Only the process of that number can hold the lock.
  if (state !== undefined && isLocked(join(folder, jobFiles.alive))) sendSignal(state.pid, signal);
}

function stateOf(folder: string): JobState | undefined {
  const state = JobState.safeParse(jsonOf(textOf(join(folder, jobFiles.state))));
  return state.success ? state.data : undefined;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
