import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const dayMs = 24 * 60 * 60_000;

/**
 * Removes what upgrades and installations that were killed left beside an executable: each has a folder with a whole
 * executable or two. One that is younger than a day may still be at work.
 */
export function removeAbandoned(beside: string, { nowMs }: { nowMs: number }): void {
  for (const name of readdirSync(beside)) {
    if (!/^\.gpu-(upgrade-|install\.)\w{6}$/.test(name)) continue;
    const path = join(beside, name);
    try {
      if (statSync(path).mtimeMs < nowMs - dayMs) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another one was faster, or it is another user's: neither is a reason not to upgrade.
    }
  }
}
