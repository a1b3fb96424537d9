import { rmSync } from "node:fs";
import { join } from "node:path";
import { GpuError } from "../errors.ts";
import { makePrivateFolder, reasonOf } from "../files.ts";
import { isLocked, type Lock, tryLock } from "../lock.ts";
import type { World } from "../world.ts";
import type { Journal } from "./journal.ts";

/** A run that lives until `end`, or until this process does not. */
export interface OpenRun {
  readonly id: string;
  /** `undefined`: nobody knows how it ended. Safe to repeat. */
  end(exitCode: number | undefined): void;
}

/** Begins a run: its lock is held before the journal knows of it, so a run in the journal without a lock is dead. */
export async function openRun(
  world: Pick<World, "folders" | "random">,
  journal: Journal,
  { id = Buffer.from(world.random(6)).toString("hex"), recipe }: { id?: string; recipe: string | undefined },
): Promise<OpenRun> {
  if (journal.problem) throw journal.problem;
  const path = lockPath(world, id);
  await makePrivateFolder(join(world.folders.state, "runs"));
  const lock = takeLock(path);
  if (lock === undefined) throw new GpuError(`somebody else holds the lock of the new run \`${id}\``);
  const release = () => {
    lock[Symbol.dispose]();
    rmSync(path, { force: true });
  };
  try {
    journal.startRun({ id, recipe });
  } catch (error) {
    release();
    throw error;
  }
  let isOpen = true;
  return {
    id,
    end(exitCode) {
      if (!isOpen) return;
      isOpen = false;
      try {
        journal.endRun({ id, exitCode });
      } finally {
        release();
      }
    },
  };
}

function takeLock(path: string): Lock | undefined {
  try {
    return tryLock(path);
  } catch (error) {
    throw new GpuError(`cannot write \`${path}\`: ${reasonOf(error)}`, {
      hint: "nothing is rented without it",
      cause: error,
    });
  }
}

/** Whether the process that began this run still lives. */
export function isRunAlive(world: Pick<World, "folders">, id: string): boolean {
  // The id comes from a file: it must not lead out of the folder.
  return /^[0-9a-f]+$/.test(id) && isLocked(lockPath(world, id));
}

function lockPath({ folders }: Pick<World, "folders">, id: string): string {
  return join(folders.state, "runs", `${id}.lock`);
}
