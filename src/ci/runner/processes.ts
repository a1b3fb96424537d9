import { addDescendants, type ProcProcess, readProc, sendSignal } from "../../processes.ts";
import type { World } from "../../world.ts";

/** What belongs to a job: the process groups it was started in, and every process with its mark in the environment. */
export interface Family {
  /** Each the pid of the shell that leads it; `forgetIfEmpty` takes those away whose number somebody else may get. */
  readonly groups: Set<number>;
  /** `NAME=value`, as the job's processes inherit it. */
  readonly mark: string;
  /** Processes in its control groups, where it has some: what cleared its environment does not come out of those. */
  readonly walled?: () => readonly number[];
}

const pollMs = 25;
/** Rounds after the grace: 10 s. */
const maxRounds = 400;

/** To be called when a group's leader has ended: an empty group's number is free for anybody. */
export function forgetIfEmpty({ groups }: Pick<Family, "groups">, group: number): void {
  if (sendSignal(-group, 0) === "gone") groups.delete(group);
}

/** Ends a family: asks first, then kills, again until nothing of it is left. Daemons that left their group are found too. */
export async function endFamily(
  world: Pick<World, "clock" | "platform">,
  family: Family,
  { graceMs }: { graceMs: number },
): Promise<void> {
  const graceEnds = world.clock.monotonic() + graceMs;
  const asked = new Set<number>();
  for (let round = 0; round < maxRounds; round++) {
    const isLate = world.clock.monotonic() >= graceEnds;
    const targets = world.platform === "linux" ? membersOf(family) : groupsOf(family);
    // What another user owns now was either never ours or cannot be ended by us.
    const living = targets.filter((pid) => {
      if (isLate) return sendSignal(pid, "SIGKILL") === "sent";
      if (asked.has(pid)) return sendSignal(pid, 0) === "sent";
      asked.add(pid);
      return sendSignal(pid, "SIGTERM") === "sent";
    });
    if (living.length === 0) return;
    await world.clock.sleep(pollMs);
  }
}

/** Elsewhere than on Linux nobody tells whose a process is: the groups that are not empty, as targets of a signal. */
function groupsOf(family: Family): number[] {
  for (const group of family.groups) forgetIfEmpty(family, group);
  return [...family.groups].map((group) => -group);
}

/** The living processes of a family, on Linux. */
export function membersOf({ groups, mark, walled = () => [] }: Family): number[] {
  const inside = new Set(walled());
  const all = readProc();
  const marked = new Set(all.filter(({ pid, carries }) => inside.has(pid) || carries(mark)).map(({ pid }) => pid));
  addDescendants(marked, all);
  const found = new Set(marked);
  const strangers = new Set(all.filter((each) => isStranger(each, marked)).map(({ pid }) => pid));
  for (const { pid, group } of all) if (groups.has(group) && !strangers.has(group)) found.add(pid);
  addDescendants(found, all);
  return [...found];
}

/** A leader that lives, and is neither ours nor our own child, got the number of a group that had ended. */
function isStranger({ pid, group, parent }: ProcProcess, marked: ReadonlySet<number>): boolean {
  return pid === group && !marked.has(pid) && parent !== process.pid;
}

/** This process, for whoever has to find it. */
export function ownPid(): number {
  return process.pid;
}
