import { dirname } from "node:path";
import { spanText } from "../duration.ts";
import { oneLine } from "../safe-text.ts";
import type { Journal } from "./journal.ts";
import { type EventRow, isOpen, labelOf, type Launch } from "./rows.ts";
import { markStillRunning, unmarkStillRunning } from "./stop-marker.ts";

/** The kind of event that a stop which failed leaves. */
const kind = "stop-failed";

/** How often the same failure is written down again. */
const repeatMs = 10 * 60_000;

/** After a day of failures somebody may want to hear no more of it. */
const hopeMs = 24 * 3_600_000;

/** Writes down that a stop failed; from now on the end of every command says so, until it has worked. */
export function recordFailure(
  journal: Journal,
  { token, failure, now }: { token: string; failure: string; now: number },
): void {
  const launch = journal.launch(token);
  // Another process may have stopped it meanwhile.
  if (launch !== undefined && !isOpen(launch)) return;
  markStillRunning(dirname(journal.path));
  const last = lastFailure(journal, token);
  // What was wrapped on its way up is the same failure.
  if (last !== undefined && failure.includes(last.text) && now - last.time < repeatMs) return;
  journal.note({ token, run: launch?.run, kind, text: failure });
}

/**
 * A sentence for every machine that was to be stopped and could not be; `said` is what is told beside it, whose reasons
 * are not repeated. Takes the marker away where there is none. `now` is milliseconds since 1970.
 */
export function describeStillRunning(journal: Journal, now: number, said = ""): string[] {
  const found = journal.launches({ open: true }).flatMap((launch) => {
    const failure = lastFailure(journal, launch.token);
    return failure === undefined ? [] : [sentence(launch, failure, { now, said })];
  });
  if (found.length === 0 && journal.problem === undefined) unmarkStillRunning(dirname(journal.path));
  return found;
}

/** Whether its last stop failed, which the end of every command says. */
export function isStopFailing(journal: Journal, token: string): boolean {
  return lastFailure(journal, token) !== undefined;
}

/** What went wrong last, unless it is to live on since. */
function lastFailure(journal: Journal, token: string): EventRow | undefined {
  const last = journal.events({ token, limit: 20 }).findLast((event) =>
    [kind, "lease-moved", "kept"].includes(event.kind)
  );
  return last?.kind === kind ? last : undefined;
}

function sentence(launch: Launch, failure: EventRow, { now, said }: { now: number; said: string }): string {
  const { instanceId, token, type, provider, pricePerHour, stoppingAt } = launch;
  const price = pricePerHour > 0 ? `, $${pricePerHour.toFixed(2)}/h` : "";
  const sinceMs = now - (stoppingAt ?? failure.time);
  const since = sinceMs < 1000 ? "" : ` for ${spanText(sinceMs)}`;
  const reason = reasonOf(launch, failure);
  const why = said.includes(reason) || said.includes(failure.text) ? "" : `: ${reason}`;
  const id = instanceId ?? token;
  const wayOut = sinceMs < hopeMs ? "" : `, \`gpu reconcile --forget ${id}\` stops watching it`;
  return `STILL RUNNING: ${labelOf(launch)}, ${type} from ${provider}${price}, could not be stopped${since}${why}; ` +
    `\`gpu stop ${id}\` tries again${wayOut}`;
}

/** The failure without what the sentence says already: which machine it is, and that it was not stopped. */
function reasonOf({ instanceId, token }: Launch, { text }: EventRow): string {
  const id = `\`${instanceId ?? token}\``;
  const rest = text.replace(`could not stop ${id}: `, "").replace(`${id} `, "it ");
  return oneLine(rest, 300).replace(/[.;]+$/, "");
}
