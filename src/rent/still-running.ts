import { existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { minutesText } from "../duration.ts";
import type { Journal } from "./journal.ts";
import type { EventRow, Launch } from "./rows.ts";

/** The kind of event that a stop which failed leaves. */
const kind = "stop-failed";

/** How often the same failure is written down again. */
const repeatMs = 10 * 60_000;

/** There as long as a stop has failed and has not worked since: looking for it costs every command one `stat`. */
function markerPath(stateFolder: string): string {
  return join(stateFolder, "still-running");
}

/** Whether there may be a machine that could not be stopped. */
export function mayBeStillRunning(stateFolder: string): boolean {
  return existsSync(markerPath(stateFolder));
}

/** Writes down that a stop failed; from now on the end of every command says so, until it has worked. */
export function recordFailure(
  journal: Journal,
  { token, failure, now }: { token: string; failure: string; now: number },
): void {
  // Where even this cannot be written, the command that stops says it itself.
  try {
    writeFileSync(markerPath(dirname(journal.path)), "", { mode: 0o600 });
  } catch { /* the disk is full, or the folder gone */ }
  const last = lastFailure(journal, token);
  // What was wrapped on its way up is the same failure.
  if (last !== undefined && failure.includes(last.text) && now - last.time < repeatMs) return;
  journal.note({ token, run: journal.launch(token)?.run, kind, text: failure });
}

/** A sentence for every machine that was to be stopped and could not be. Takes the marker away where there is none. */
export function describeStillRunning(journal: Journal, now: number): string[] {
  const found = journal.launches({ open: true }).flatMap((launch) => {
    const failure = lastFailure(journal, launch.token);
    return failure === undefined ? [] : [sentence(launch, failure, now)];
  });
  if (found.length === 0 && journal.problem === undefined) rmSync(markerPath(dirname(journal.path)), { force: true });
  return found;
}

/** What went wrong last, unless it is to live on since. */
function lastFailure(journal: Journal, token: string): EventRow | undefined {
  const last = journal.events({ token, limit: 20 }).findLast((event) =>
    [kind, "lease-moved", "kept"].includes(event.kind)
  );
  return last?.kind === kind ? last : undefined;
}

function sentence(launch: Launch, failure: EventRow, now: number): string {
  const { instanceId, token, name, type, provider, pricePerHour, stoppingAt } = launch;
  const what = `${instanceId ?? token}${name === null ? "" : ` (${name})`}`;
  const price = pricePerHour > 0 ? `, $${pricePerHour.toFixed(2)}/h` : "";
  const since = minutesText((now - (stoppingAt ?? failure.time)) / 60_000);
  return `STILL RUNNING: ${what}, ${type} from ${provider}${price}, could not be stopped for ${since}: ${
    failure.text.replaceAll("\n", " ")
  }; \`gpu stop ${instanceId ?? token}\` tries again`;
}
