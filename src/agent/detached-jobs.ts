import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { sendSignal } from "../processes.ts";
import type { World } from "../world.ts";

/** Where the supervisors of detached commands keep their files, below the home of who started them. */
const folder = ".local/state/gpu/jobs";

/** Commands that go on by themselves on this machine: one that runs is use of the machine. */
export class DetachedJobs {
  readonly #world: Pick<World, "clock" | "home">;
  /** When one was last seen to run, in milliseconds since 1970. */
  lastActivityMs: number | undefined;
  running = 0;

  constructor(world: Pick<World, "clock" | "home">) {
    this.#world = world;
  }

  async look(): Promise<void> {
    const { home, clock } = this.#world;
    const names = await readdir(join(home, folder)).catch(() => []);
    const alive = await Promise.all(names.map((name) => isRunning(join(home, folder, name))));
    this.running = alive.filter((isAlive) => isAlive).length;
    if (this.running > 0) this.lastActivityMs = clock.now();
  }
}

/** By the supervisor's own file: its number, and when it began. */
async function isRunning(path: string): Promise<boolean> {
  const [pid, began] = (await textOf(join(path, "pid"))).split(" ");
  if (pid === undefined || !/^[1-9]\d*$/.test(pid)) return false;
  if (await stat(join(path, "exit")).catch(() => undefined)) return false;
  if (sendSignal(Number(pid), 0) === "gone") return false;
  // Field 22 of proc_pid_stat(5): another process may have the number by now.
  const line = await textOf(`/proc/${pid}/stat`);
  const [state, ...fields] = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return line === "" || state !== "Z" && fields[18] === began;
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, "latin1").catch(() => "");
}
