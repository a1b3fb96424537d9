import { CiError, messageOf } from "../../errors.ts";
import { HttpError, isPassing } from "../../http/errors.ts";
import { request, type Target } from "../../http/request.ts";
import { backoffMs } from "../../http/retry.ts";
import type { Explain } from "./failures.ts";
import type { CiEvent, Feature, Job } from "../job.ts";
import { Ending } from "./ending.ts";
import { Place } from "./place.ts";
import { type WireBatches, wireBatches, type WireEventWithId } from "./wire.ts";

/** How long a server may be away, or only break off, before it is given up. */
const defaultPatienceMs = 600_000;
/** A connection that lasted so long was none that only breaks off, also where nothing was said: tests may be silent. */
const goodConnectionMs = 5_000;

export interface FollowOptions {
  readonly target: Target;
  readonly server: string;
  readonly has: (feature: Feature) => boolean;
  readonly getJob: (id: string) => Promise<Job>;
  readonly explained: Explain;
  /** Says what is waited for while no lines come; `undefined`: they come again. */
  readonly onTrouble?: (why: string | undefined) => void;
}

export interface FollowFrom {
  readonly fromBeginning: boolean;
  /** A stream that is open already (a submission's answer), which begins with the first line. */
  readonly first?: { readonly place: Place; readonly events: WireBatches };
  /** How long the server may be away, in milliseconds; `Infinity`: for ever. Ten minutes when left out. */
  readonly patienceMs?: number;
}

/**
 * Follows a job to its true end over as many connections as it takes: no line is lost and none comes twice. Events are
 * given in the lots in which they come.
 */
export async function* followJob(
  jobId: string,
  options: FollowOptions,
  { fromBeginning, first, patienceMs = defaultPatienceMs }: FollowFrom,
): AsyncGenerator<readonly CiEvent[]> {
  const { target, has, onTrouble, explained } = options;
  const { clock } = target.world;
  const place = first?.place ?? new Place();
  const ending = new Ending(jobId, options, place);
  let events = first?.events;
  let goodAt = clock.monotonic();
  for (let breaks = 1;; breaks++) {
    let openedAt: number | undefined;
    try {
      events ??= await connect(jobId, { target, has, fromBeginning, place });
      openedAt = clock.monotonic();
      let said: { success: boolean } | undefined;
      let hasNews = false;
      for await (const lot of events) {
        const { lines, complete } = sorted(lot, { place, has });
        // A server that says the same again and again does not get on.
        if (lines.length > 0 || complete !== undefined) [breaks, goodAt] = [0, clock.monotonic()];
        if (lines.length > 0) {
          hasNews = true;
          onTrouble?.(undefined);
          yield lines;
        }
        said = complete;
        if (said !== undefined) break;
      }
      const found = said === undefined ? await ending.unsaid({ hasNews }) : await ending.of(said.success);
      if ("end" in found) return yield [found.end];
      if (found.isAnswered) goodAt = clock.monotonic();
      onTrouble?.(found.waitingFor);
    } catch (error) {
      target.signal?.throwIfAborted();
      if (!isPassing(error) && !(patienceMs === Infinity && isStrange(error))) throw await explained(error, jobId);
      onTrouble?.(`${messageOf(error)}; trying again`);
    } finally {
      await events?.return?.(undefined);
    }
    events = undefined;
    const now = clock.monotonic();
    if (openedAt !== undefined && now - openedAt >= goodConnectionMs) [breaks, goodAt] = [0, now];
    if (now - goodAt > patienceMs) throw givenUp(jobId, options.server);
    await clock.sleep(backoffMs(target.world, Math.max(breaks, 1)), target.signal);
  }
}

async function connect(
  jobId: string,
  { target, has, fromBeginning, place }: {
    target: Target;
    has: (feature: Feature) => boolean;
    fromBeginning: boolean;
    place: Place;
  },
): Promise<WireBatches> {
  const resumes = place.id !== undefined && has("last-event-id");
  const isReplay = place.isJoined && !has("forward-only") && !place.isOld;
  const response = await request(target, {
    path: `/jobs/${encodeURIComponent(jobId)}/stream`,
    query: { from_beginning: String(fromBeginning || isReplay || place.lines > 0) },
    headers: {
      accept: "text/event-stream",
      ...(resumes && place.id !== undefined ? { "last-event-id": place.id } : {}),
    },
    // The loop of who follows counts and waits; a second one inside would multiply both.
    attempts: 1,
  });
  place.begin({ resumes });
  return wireBatches(response, { target, has, onId: (id) => void (place.id = id) });
}

/** What of a lot is for the reader, up to the end where it has one. */
function sorted(
  lot: readonly WireEventWithId[],
  { place, has }: { place: Place; has: (feature: Feature) => boolean },
): { lines: CiEvent[]; complete?: { success: boolean } } {
  const isNumbered = has("event-ids");
  const lines: CiEvent[] = [];
  for (const { event, id } of lot) {
    if (event.type === "complete") return { lines, complete: event };
    if (event.type !== "log") continue;
    const line = isNumbered ? place.numbered(event.data, id) : place.replayed(event.data);
    if (line !== undefined) lines.push(line);
  }
  return { lines };
}

/** An answer that is none of this protocol's: a login page of a hotel's network, another program at the port. */
function isStrange(thrown: unknown): boolean {
  const error = thrown instanceof CiError ? thrown.cause : thrown;
  return error instanceof HttpError && error.reason !== "status";
}

function givenUp(jobId: string, server: string): CiError {
  return new CiError(
    `the log of job \`${jobId}\` cannot be followed any more: ${server} is away or keeps breaking off`,
    {
      hint: `the job goes on; \`gpu ci wait ${jobId} --all\` follows it again`,
    },
  );
}
