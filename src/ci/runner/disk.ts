import type { Clock } from "../../world.ts";
import { diskUse } from "../disk-use.ts";
import { amountText } from "./amount.ts";

/** How often it is looked, in milliseconds, and how much longer than a look takes it is waited for the next one. */
const look = { everyMs: 1_000, restTimes: 20 };

interface DiskLimit {
  /** Of all that is in the folder together; no limit when left out. */
  readonly maxBytes: number | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Looks now and then how much disk a folder takes, and resolves with what was exceeded; undefined when the signal fires
 * before. Between two looks a job may be over its limit. Looking takes a twentieth of a core at most.
 */
export async function watchDisk(folder: string, { maxBytes, clock, signal }: DiskLimit): Promise<string | undefined> {
  if (maxBytes === undefined) return undefined;
  while (!signal.aborted) {
    const begun = clock.monotonic();
    if (await diskUse(folder, { enough: maxBytes }) > maxBytes) {
      return `it used more than ${amountText(maxBytes)} of disk`;
    }
    const tookMs = clock.monotonic() - begun;
    await clock.sleep(Math.max(look.everyMs, tookMs * look.restTimes), signal).catch(() => {});
  }
  return undefined;
}
