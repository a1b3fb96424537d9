import { addDescendants, type ProcProcess, readProc, sendSignal } from "../processes.ts";
import { type Seen, seeProcesses } from "../provider/local/hunt.ts";
import type { Clock, World } from "../world.ts";

/** How long a command may take to end after SIGTERM, and how long a killed one may still be seen. */
const graceMs = 2000;
const pollMs = 25;

/** A command of this computer and all that it started. */
export interface ProcessTree {
  /** Its first process, which leads a group of its own. */
  readonly pid: number;
  /** `NAME=value` in the environment of all of it: what went into a session of its own is found by that. */
  readonly mark: string;
}

/** Ends a command and all it started: TERM, then KILL. Returns when nothing of it is left, or none that we may end. */
export async function endTree(world: World, tree: ProcessTree): Promise<void> {
  const { clock } = world;
  const startedAt = clock.monotonic();
  let emptyScans = 0;
  const told = new Set<number>();
  sendSignal(-tree.pid, "SIGTERM");
  for (;;) {
    const left = await membersOf(world, tree);
    // A process that forks between being listed and being killed leaves one that the first look cannot see.
    emptyScans = left.length === 0 ? emptyScans + 1 : 0;
    if (emptyScans === 2) return;
    const elapsedMs = clock.monotonic() - startedAt;
    const isLate = elapsedMs > graceMs;
    if (isLate) sendSignal(-tree.pid, "SIGKILL");
    for (const pid of left) {
      if (isLate) sendSignal(pid, "SIGKILL");
      else if (!told.has(pid)) sendSignal(pid, "SIGTERM");
      told.add(pid);
    }
    // What is still there cannot be ended: another user's, or one that the system holds.
    if (elapsedMs > 3 * graceMs) return;
  }
}

/** The living processes of a command, as they are in a moment. */
async function membersOf(world: World, { pid, mark }: ProcessTree): Promise<number[]> {
  const all = await look(world, mark);
  const found = new Set(all.filter((seen) => seen.pid === pid || seen.isMarked).map((seen) => seen.pid));
  addDescendants(found, all);
  return [...found];
}

async function look(world: World, mark: string): Promise<readonly Seen[]> {
  if (world.platform === "linux") {
    return (await nextLook(world.clock)).map(({ pid, parent, carries }) => ({ pid, parent, isMarked: carries(mark) }));
  }
  await world.clock.sleep(pollMs);
  return await seeProcesses(world, mark);
}

interface Looking {
  coming?: Promise<readonly ProcProcess[]> | undefined;
  pauseMs: number;
}

const looking = new WeakMap<Clock, Looking>();

/** All processes as they are soon. Hundreds of commands that end at the same moment share a look: it takes a while. */
function nextLook(clock: Clock): Promise<readonly ProcProcess[]> {
  const at = looking.get(clock) ?? { pauseMs: pollMs };
  looking.set(clock, at);
  return at.coming ??= (async () => {
    await clock.sleep(at.pauseMs);
    at.coming = undefined;
    const startedAt = clock.monotonic();
    const processes = readProc();
    at.pauseMs = Math.min(500, Math.max(pollMs, 2 * (clock.monotonic() - startedAt)));
    return processes;
  })();
}
