import { GpuError } from "../../errors.ts";
import { addDescendants, readProc, sendSignal } from "../../processes.ts";
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
    const isLate = elapsedMs > graceMs;
    const deliveries = left.map((marked) => sendSignal(marked, isLate ? "SIGKILL" : 0));
    // What another user's processes started may still be ended; they themselves only by that user.
    const areStrangers = isLate && deliveries.length > 0 && deliveries.every((delivery) => delivery === "denied");
    if (elapsedMs > giveUpMs || areStrangers) throw stillThere(left, { areStrangers });
    if (left.length > 0) await clock.sleep(pollMs);
  }
}

function stillThere(pids: readonly number[], { areStrangers }: { areStrangers: boolean }): GpuError {
  return new GpuError(
    areStrangers
      ? `processes that the machine started belong to another user, who alone can end them: ${pids.join(", ")}`
      : `processes of the machine do not end: ${pids.join(", ")}`,
    { hint: `\`ps -p ${pids.join(",")}\` says what they are; stop the instance again once they are gone` },
  );
}

/** Living processes that carry the mark, and what these started with another environment. */
export async function findMarked({ world, token }: { world: World; token: string }): Promise<number[]> {
  const all = await seeProcesses(world, `${markVariable}=${token}`);
  const found = new Set(all.filter(({ isMarked }) => isMarked).map(({ pid }) => pid));
  addDescendants(found, all);
  found.delete(process.pid);
  return [...found];
}

/** All living processes of this computer, and which of them carry `NAME=value` in their environment. */
export async function seeProcesses(world: World, mark: string): Promise<Seen[]> {
  if (world.platform !== "linux") return await askPs(world, mark);
  return readProc().map(({ pid, parent, carries }) => ({ pid, parent, isMarked: carries(mark) }));
}

export interface Seen {
  readonly pid: number;
  readonly parent: number;
  readonly isMarked: boolean;
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
  return (await (await import("node:stream/consumers")).text(child.stdout)).split("\n").flatMap((line) => {
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
