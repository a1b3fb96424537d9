import { join } from "node:path";
import { GpuError } from "./errors.ts";
import { makePrivateFolder } from "./files.ts";
import { type Lock, tryLock } from "./lock.ts";
import type { World } from "./world.ts";

const patienceMs = 10_000;

/** In this process, who waits for a lock: the lock itself only sees other processes coming. */
const queues = new Map<string, Promise<unknown>>();

/** Runs what reads and then writes a file of the configuration, while no other `gpu` does the same. */
export async function exclusively<T>(
  world: Pick<World, "clock" | "folders">,
  work: () => Promise<T>,
): Promise<T> {
  const path = join(world.folders.state, "configuration.lock");
  const before = queues.get(path);
  const turn = (async () => {
    await before?.catch(() => {});
    using _lock = await takeLock(world, path);
    return await work();
  })();
  queues.set(path, turn);
  try {
    return await turn;
  } finally {
    if (queues.get(path) === turn) queues.delete(path);
  }
}

async function takeLock(world: Pick<World, "clock" | "folders">, path: string): Promise<Lock | undefined> {
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 100) {
    try {
      await makePrivateFolder(world.folders.state);
      const lock = tryLock(path);
      if (lock) return lock;
    } catch {
      return undefined; // Where no lock can be made, a key is stored all the same.
    }
    await world.clock.sleep(50);
  }
  throw new GpuError("another `gpu` has been changing the configuration for a while", {
    hint: "end it, or try again",
  });
}
