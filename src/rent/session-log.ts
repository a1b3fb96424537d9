import type { EventFilter } from "./journal-queries.ts";
import type { Journal } from "./journal.ts";
import type { EventRow, Launch } from "./rows.ts";

/** As SQL wants it. */
const all = Number.MAX_SAFE_INTEGER;

/**
 * What happened to an instance, and to all that was tried in its place before: one `gpu start` asks several offers, each
 * a launch of its own, and gives back what never becomes ready. Oldest first; of these the last `limit`.
 */
export function sessionEvents(
  journal: Journal,
  launch: Launch,
  { since, limit = 1000 }: Pick<EventFilter, "since" | "limit">,
): EventRow[] {
  // A command rents one instance; a recipe may rent many.
  const isWholeRun = journal.runs().find(({ id }) => id === launch.run)?.recipe === null;
  const ofSameRun = journal.launches({ run: launch.run });
  const tokens = new Set((isWholeRun ? ofSameRun : triesOf(launch, ofSameRun)).map(({ token }) => token));
  const ofRun = journal.events({ run: launch.run, since, limit: all })
    .filter(({ token }) => token === null ? isWholeRun : tokens.has(token));
  const others = [...tokens].flatMap((token) => journal.events({ token, since, limit: all }));
  const events = new Map([...ofRun, ...others].map((event) => [event.id, event]));
  return [...events.values()].toSorted((one, other) => one.id - other.id).slice(-limit);
}

/** The launches of its recipe under its name that ended before they were ready, up to the one that was. */
function triesOf(launch: Launch, ofSameRun: readonly Launch[]): Launch[] {
  const alike = ofSameRun.filter(({ name }) => name === launch.name);
  const index = alike.findIndex(({ token }) => token === launch.token);
  const before = alike.slice(0, index);
  const lastEnd = before.findLastIndex(({ readyAt }) => readyAt !== null);
  const next = launch.readyAt === null ? alike.slice(index + 1) : [];
  const nextEnd = next.findIndex(({ readyAt }) => readyAt !== null);
  return [...before.slice(lastEnd + 1), launch, ...(nextEnd < 0 ? next : next.slice(0, nextEnd + 1))];
}
