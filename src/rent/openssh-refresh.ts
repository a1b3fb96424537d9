import { existsSync } from "node:fs";
import { join } from "node:path";
import type { World } from "../world.ts";
import type { Journal } from "./journal.ts";

/**
 * Writes what OpenSSH reads of the instances again, where somebody once had it written; costs one look at the disk where
 * nobody has. Never throws: what came of the instances is no worse for it.
 */
export async function refreshOpenSshConfig(
  world: Pick<World, "folders" | "random">,
  journal: Journal,
): Promise<void> {
  if (journal.problem !== undefined || !existsSync(join(world.folders.state, "ssh", "config"))) return;
  try {
    const { writeOpenSshConfig } = await import("./openssh-config.ts");
    await writeOpenSshConfig(world, journal.launches({ open: true }));
  } catch {
    // The next command tries again.
  }
}
