import { existsSync, lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { NotFoundError, UsageError } from "../errors.ts";
import type { World } from "../world.ts";

type StoreWorld = Pick<World, "folders">;

const idPattern = /^[0-9a-f]{12}$/;

/** Logs are kept this long, and so many of them at most. */
const keepMs = 30 * 86_400_000;
const keepCount = 200;

/** Where the logs and locks of runs are: the same folder as the journal's locks. */
export function runsFolder({ folders }: StoreWorld): string {
  return join(folders.state, "runs");
}

/** The log of a run. The id must be one: it becomes a part of a path. */
export function logPath(world: StoreWorld, id: string): string {
  return join(runsFolder(world), `${checkedId(id)}.jsonl`);
}

/** Held by the process that writes the log, for as long as it does. */
export function writerLockPath(world: StoreWorld, id: string): string {
  return join(runsFolder(world), `${checkedId(id)}.writer`);
}

function checkedId(id: string): string {
  if (idPattern.test(id)) return id;
  throw new UsageError(`\`${id}\` is not the id of a run`, { hint: "`gpu runs list` shows the ids" });
}

/** Ids of the runs that have a log, the newest first. */
export function loggedRuns(world: StoreWorld): string[] {
  const folder = runsFolder(world);
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder).flatMap((name) => {
    const id = name.endsWith(".jsonl") ? name.slice(0, -".jsonl".length) : "";
    const changedAt = idPattern.test(id) ? changeOf(join(folder, name)) : undefined;
    return changedAt === undefined ? [] : [{ id, changedAt }];
  });
  return found.toSorted((one, other) => other.changedAt - one.changedAt).map(({ id }) => id);
}

/** The one run whose id begins like that. */
export function findRunId(world: StoreWorld, start: string): string {
  if (!/^[0-9a-f]{1,12}$/.test(start)) checkedId(start);
  const found = loggedRuns(world).filter((id) => id.startsWith(start));
  const [only, ...others] = found;
  if (only === undefined) {
    throw new NotFoundError(`there is no run \`${start}\``, { hint: "`gpu runs list` shows the runs" });
  }
  if (others.length > 0) {
    throw new UsageError(`\`${start}\` is the beginning of ${found.length} runs: ${found.join(", ")}`, {
      hint: "type more of it",
    });
  }
  return only;
}

/** Whether the process that writes the log of a run still lives. */
export async function isBeingWritten(world: StoreWorld, id: string): Promise<boolean> {
  const path = writerLockPath(world, id);
  if (!existsSync(path)) return false;
  const { isLocked } = await import("../lock.ts");
  return isLocked(path);
}

/** Removes logs that are old or too many, and what belongs to them; those that are being written stay. `now` is milliseconds since 1970. */
export async function sweepLogs(world: StoreWorld, now: number): Promise<void> {
  // Each run comes by here, and looking at all of them takes longer than many a run: to count them must do mostly.
  const count = readdirSync(runsFolder(world)).length;
  if (count % 16 !== 0 && count <= keepCount + 16) return;
  const ids = loggedRuns(world);
  for (const [index, id] of ids.entries()) {
    const path = logPath(world, id);
    const isOld = now - (changeOf(path) ?? now) > keepMs;
    if ((index < keepCount && !isOld) || await isBeingWritten(world, id)) continue;
    rmSync(path, { force: true });
    rmSync(writerLockPath(world, id), { force: true });
  }
}

function changeOf(path: string): number | undefined {
  // A link or a folder of that name is none of ours.
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? found.mtimeMs : undefined;
}
