import { readdirSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { GpuError, systemCode } from "../../errors.ts";
import type { World } from "../../world.ts";

/** The variable that everything a machine starts carries, with the machine's token. */
export const markVariable = "GPU_MACHINE";

/** How long processes have to end by themselves. */
const graceMs = 400;
const giveUpMs = 10_000;
const pollMs = 10;

interface Hunt {
  readonly world: World;
  readonly token: string;
  /** The machine's own process, for where marks cannot be read. */
  readonly pid: number | undefined;
}

/** Ends all that a machine started, but not the process that asks. Returns when nothing of it is left. */
export async function endMarked({ world, token, pid }: Hunt): Promise<void> {
  const { clock } = world;
  if (world.platform === "win32") return await endTree(world, pid);
  const startedAt = clock.now();
  for (const marked of await findMarked({ world, token })) sendSignal(marked, "SIGTERM");
  let emptyScans = 0;
  while (true) {
    const left = await findMarked({ world, token });
    const elapsedMs = clock.now() - startedAt;
    // A process that forks between being listed and being killed leaves one that the first look cannot see.
    emptyScans = left.length === 0 ? emptyScans + 1 : 0;
    if (emptyScans === 2) return;
    if (elapsedMs > giveUpMs) {
      throw new GpuError(`processes of the machine do not end: ${left.join(", ")}`, {
        hint: "look at them with `ps`; stop the instance again once they are gone",
      });
    }
    if (elapsedMs > graceMs) { for (const marked of left) sendSignal(marked, "SIGKILL"); }
    if (left.length > 0) await clock.sleep(pollMs);
  }
}

/** Sends a signal to a process, or to a group when `pid` is negative; one that has ended already is fine. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

/** Living processes that carry the mark, and what these started with another environment. */
export async function findMarked({ world, token }: { world: World; token: string }): Promise<number[]> {
  const mark = `${markVariable}=${token}`;
  const all = world.platform === "linux" ? readProc(mark) : await askPs(world, mark);
  const found = new Set(all.filter(({ isMarked }) => isMarked).map(({ pid }) => pid));
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  found.delete(process.pid);
  return [...found];
}

interface Seen {
  readonly pid: number;
  readonly parent: number;
  readonly isMarked: boolean;
}

function readProc(mark: string): Seen[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      // `pid (command) state parent …`; the command may hold anything.
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") return [];
      return [{ pid: Number(name), parent: Number(parent), isMarked: readEnvironment(name).includes(mark) }];
    } catch {
      return []; // It ended meanwhile.
    }
  });
}

function readEnvironment(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return []; // Another user's.
  }
}

/** macOS shows no environment of Apple's own programs: these are found as descendants only. */
async function askPs(world: World, mark: string): Promise<Seen[]> {
  const child = world.spawn(["ps", "-axEww", "-o", "pid=,ppid=,stat=,command="], {
    cwd: "/",
    env: { PATH: "/bin:/usr/bin", LC_ALL: "C" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  if (child.stdout === null) return [];
  return (await text(child.stdout)).split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s(.*)$/.exec(line);
    if (!match || match[3]?.startsWith("Z")) return [];
    return [{ pid: Number(match[1]), parent: Number(match[2]), isMarked: ` ${match[4]} `.includes(` ${mark} `) }];
  });
}

/** Windows knows no environment of others: what the machine's process started, as far as it is its descendant. */
async function endTree(world: World, pid: number | undefined): Promise<void> {
  if (pid === undefined || pid === process.pid) return;
  const { SystemRoot, PATH } = world.env;
  const child = world.spawn(["taskkill", "/T", "/F", "/PID", String(pid)], {
    cwd: world.home,
    env: { SystemRoot, PATH },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  await new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
}
