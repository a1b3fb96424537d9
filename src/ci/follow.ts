import { CiError } from "../errors.ts";
import { HttpError } from "../http/errors.ts";
import { request, type Target } from "../http/request.ts";
import { backoffMs } from "../http/retry.ts";
import { ciError } from "./failures.ts";
import { type CiEvent, type Feature, isOver, type Job } from "./job.ts";
import { wireEvents, type WireEventWithId } from "./wire.ts";

/** How often in a row a stream may break without a single event before it is given up. */
const maxBreaks = 8;
export interface FollowOptions {
  readonly target: Target;
  readonly server: string;
  readonly has: (feature: Feature) => boolean;
  readonly getJob: (id: string) => Promise<Job>;
}

/**
 * Follows a job to its true end over as many connections as it takes: no line is lost and none comes twice. `first` is
 * a stream that is open already (a submission's answer), which begins with the first line.
 */
export async function* followJob(
  jobId: string,
  { target, server, has, getJob }: FollowOptions,
  { fromBeginning, first }: { fromBeginning: boolean; first?: AsyncIterator<WireEventWithId> },
): AsyncGenerator<CiEvent> {
  const place: Place = {
    lines: 0,
    toSkip: 0,
    id: undefined,
    hasMoved: false,
    isJoined: first !== undefined,
    isOld: false,
  };
  let isDoubted = false;
  let events = first;
  for (let breaks = 0; breaks <= maxBreaks; breaks++) {
    place.hasMoved = false;
    try {
      events ??= wireEvents(await open(jobId, { target, has, fromBeginning, place }), { target, has, place });
      for (let next = await events.next(); !next.done; next = await events.next()) {
        const { event, id } = next.value;
        if (id !== undefined) place.id = id;
        const before = place.lines;
        if (event.type === "log") yield* newLine(event.data, place);
        // A server that says the same again and again does not get on.
        place.hasMoved ||= place.lines > before || event.type === "complete";
        if (event.type !== "complete") continue;
        // Our own server means what it says.
        if (event.success || has("event-ids")) return yield { type: "complete", success: event.success };
        // A plain server says `false` also of a job that still waits or whose end it has not noted yet.
        const job = await getJob(jobId);
        const isToReread = !isDoubted && isDoubtful(job, place);
        if (isOver(job) && !isToReread) {
          return yield { type: "complete", success: job.success === true, ...silence(job, place) };
        }
        isDoubted = isOver(job);
        break;
      }
    } catch (error) {
      target.signal?.throwIfAborted();
      if (!isBreak(error)) throw ciError(error, { server, jobId });
    } finally {
      await events?.return?.(undefined);
    }
    events = undefined;
    if (place.hasMoved) breaks = 0;
    await target.world.clock.sleep(backoffMs(target.world, Math.max(breaks, 1)), target.signal);
  }
  throw new CiError(`the log of job \`${jobId}\` cannot be followed any more: ${server} keeps breaking off`, {
    hint: `the job goes on; \`gpu ci wait ${jobId} --all\` follows it again`,
  });
}

/** How far a reader is: what tells a new connection where to go on. */
interface Place {
  /** Lines of the job that were handed on. */
  lines: number;
  /** Lines of a replay that are known already. */
  toSkip: number;
  id: string | undefined;
  hasMoved: boolean;
  /** A stream of the job was open before, so that a further one must not skip what was said in between. */
  isJoined: boolean;
  /** The server said that the job was over before it was joined. */
  isOld: boolean;
}

/** Whether a job ended between a plain server's false `complete` and the question for it, with lines yet unread. */
function isDoubtful(job: Job, place: Place): boolean {
  if (place.isOld) return false;
  return job.success === true || (place.lines === 0 && job.start_time !== null);
}

async function open(
  jobId: string,
  { target, has, fromBeginning, place }: {
    target: Target;
    has: (feature: Feature) => boolean;
    fromBeginning: boolean;
    place: Place;
  },
): Promise<Response> {
  const canResume = place.id !== undefined && has("last-event-id");
  const isReplay = place.isJoined && !has("forward-only") && !place.isOld;
  place.toSkip = canResume ? 0 : place.lines;
  const response = await request(target, {
    path: `/jobs/${encodeURIComponent(jobId)}/stream`,
    query: { from_beginning: String(fromBeginning || isReplay || place.lines > 0) },
    headers: {
      accept: "text/event-stream",
      ...(canResume && place.id !== undefined ? { "last-event-id": place.id } : {}),
    },
    // This loop counts and waits; a second one inside would multiply both.
    attempts: 1,
  });
  place.isJoined = true;
  return response;
}

/** Words of a plain server between the job's lines; they end in a backslash and an n where a newline was meant. */
const serverWords = /^(Job already completed\.|Job not found\.|Job disappeared\.|Error streaming logs: .*?)\\n$/s;

function* newLine(data: string, place: Place): Generator<CiEvent> {
  const words = serverWords.exec(data);
  if (words?.[1] === "Job already completed.") place.isOld = true;
  if (words) return yield { type: "log", data: `${words[1]}\n` };
  if (place.toSkip > 0) return void place.toSkip--;
  place.lines++;
  yield { type: "log", data };
}

/** What a plain server leaves unsaid: a job that failed before it began has no log and no start. */
function silence(job: Job, place: Place): { reason?: string } {
  if (place.lines > 0 || job.success === true || job.start_time !== null) return {};
  return {
    reason:
      "the server could not set the project up and does not say why: it needs a valid zip with a `requirements.txt` " +
      "at its root that installs",
  };
}

function isBreak(thrown: unknown): boolean {
  const error = thrown instanceof CiError ? thrown.cause : thrown;
  if (!(error instanceof HttpError)) return false;
  if (error.reason === "status") return [408, 425, 429, 500, 502, 503, 504].includes(error.status ?? 0);
  return error.reason === "cut" || error.reason === "timeout" || error.reason === "refused" || error.reason === "dns";
}
