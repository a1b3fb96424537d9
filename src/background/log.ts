import { appendFileSync, statSync, truncateSync } from "node:fs";
import { oneLine } from "../safe-text.ts";
import type { Clock } from "../world.ts";

const maxBytes = 1024 * 1024;

/** The log of the background process, a line at a time. A long one starts anew: nobody rotates it for us. */
export function openLog(path: string, clock: Clock): (text: string) => void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > maxBytes) truncateSync(path);
  return (text) => {
    // On a full disk it goes on without a log: what it holds is worth more.
    try {
      appendFileSync(path, `${new Date(clock.now()).toISOString()} ${oneLine(text)}\n`, { mode: 0o600 });
    } catch { /* nobody can be told */ }
  };
}
