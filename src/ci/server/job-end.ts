import { JobLog } from "../runner/job-log.ts";
import type { JobEnd } from "../runner/job-order.ts";
import { removeJob } from "../runner/job-process.ts";
import type { World } from "../../world.ts";
import type { Places } from "./places.ts";
import type { SealedVariables } from "./sealed.ts";
import type { JobStore } from "./store.ts";
import { wireTime } from "./wire-time.ts";

interface EndOptions {
  readonly world: Pick<World, "clock">;
  readonly store: JobStore;
  readonly places: Places;
  readonly sealed: SealedVariables;
  readonly signal: AbortSignal;
}

/** An end that cannot be written down (a full disk) is tried again so often, in milliseconds. */
const writeAgainMs = 5_000;

/** Writes down how a job ended and removes what it needed. Returns false where the server went before it could be written. */
export async function writeEnd(
  id: string,
  end: JobEnd,
  { world, store, places, sealed, signal }: EndOptions,
): Promise<boolean> {
  for (;;) {
    try {
      store.end(id, end, wireTime(end.endedAt));
      break;
    } catch {
      await world.clock.sleep(writeAgainMs, signal).catch(() => {});
      if (signal.aborted) return false;
    }
  }
  ignoringTrouble(() => sealed.remove(id));
  ignoringTrouble(() => places.removeUpload(id));
  if (end.artifacts.length === 0) ignoringTrouble(() => removeJob(places.work(id)));
  return true;
}

/** The end, now, of a job that nothing runs. */
export function endNow(status: JobEnd["status"], { clock }: Pick<World, "clock">): JobEnd {
  return { success: false, status, endedAt: clock.now(), artifacts: [] };
}

/** Writes a line of the server into a job's log. */
export function noteInLog(path: string, text: string): void {
  ignoringTrouble(() => {
    const log = JobLog.create(path);
    log.note(text);
    log.close();
  });
}

/** For what a full disk or a strange mode may prevent, and what matters less than the job's end. */
function ignoringTrouble(work: () => void): void {
  try {
    work();
  } catch {
    // What is left is removed with the job, or at the next start.
  }
}
