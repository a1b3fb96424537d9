import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** There as long as a stop has failed and has not worked since: looking for it costs every command one `stat`. */
function markerPath(stateFolder: string): string {
  return join(stateFolder, "still-running");
}

/** Whether there may be a machine that could not be stopped. */
export function mayBeStillRunning(stateFolder: string): boolean {
  return existsSync(markerPath(stateFolder));
}

/** From now on the end of every command looks for machines that could not be stopped. */
export function markStillRunning(stateFolder: string): void {
  // Where even this cannot be written, the command that stops says it itself.
  try {
    writeFileSync(markerPath(stateFolder), "", { mode: 0o600 });
  } catch { /* the disk is full, or the folder gone */ }
}

/** There is none. */
export function unmarkStillRunning(stateFolder: string): void {
  rmSync(markerPath(stateFolder), { force: true });
}
