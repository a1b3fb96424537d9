import { CiError, messageOf } from "../errors.ts";
import { connectionError, HttpError } from "../http/errors.ts";
import { readEvents } from "../http/events.ts";
import { watchQuiet } from "../http/quiet.ts";
import { request, type Target } from "../http/request.ts";
import { backoffMs } from "../http/retry.ts";
import { ciError } from "./failures.ts";
import { type CiEvent, type Feature, isOver, type Job, WireEvent } from "./job.ts";

/** How often in a row a stream may break without a single event before it is given up. */
const maxBreaks = 8;
/** A server with heartbeats is silent for no longer than 15 s; the plain one may be, while a test thinks. */
const quietMs = { heartbeat: 45_000, plain: 240_000 };

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
  const place: Place = { lines: 0, toSkip: 0, id: undefined, hasMoved: false };
  let events = first;
  for (let breaks = 0; breaks <= maxBreaks; breaks++) {
    place.hasMoved = false;
    try {
      events ??= wireEvents(await open(jobId, { target, has, fromBeginning, place }), { target, has, place });
      for (let next = await events.next(); !next.done; next = await events.next()) {
        const { event, id } = next.value;
        if (id !== undefined) place.id = id;
        place.hasMoved = true;
        if (event.type === "log") yield* newLine(event.data, place);
        if (event.type !== "complete") continue;
        if (event.success) return yield { type: "complete", success: true };
        // A plain server says `false` also of a job that still waits or whose end it has not noted yet.
        const job = await getJob(jobId);
        if (isOver(job)) return yield { type: "complete", success: job.success === true, ...silence(job, place, has) };
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
}

interface WireEventWithId {
  readonly event: WireEvent;
  readonly id: string | undefined;
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
  const isAgain = place.lines > 0;
  place.toSkip = canResume ? 0 : place.lines;
  return await request(target, {
    path: `/jobs/${encodeURIComponent(jobId)}/stream`,
    query: { from_beginning: String(fromBeginning || isAgain) },
    headers: {
      accept: "text/event-stream",
      ...(canResume && place.id !== undefined ? { "last-event-id": place.id } : {}),
    },
    // This loop counts and waits; a second one inside would multiply both.
    attempts: 1,
  });
}

/** The events of an answer, checked. A silence beyond what the server's kind allows breaks it off. */
export async function* wireEvents(
  response: Response,
  { target, has, place }: { target: Target; has: (feature: Feature) => boolean; place?: { id: string | undefined } },
): AsyncGenerator<WireEventWithId> {
  const url = new URL(response.url || target.baseUrl);
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream") || response.body === null) {
    throw new HttpError(`${target.service} at ${url.origin} answered with \`${type}\`, not with a job's log`, {
      reason: type.startsWith("text/html") ? "html" : "shape",
      status: response.status,
      hint: "check the address and the port; a proxy or a login page may stand in front of the server",
    });
  }
  using watch = watchQuiet({
    clock: target.world.clock,
    quietMs: has("heartbeat") ? quietMs.heartbeat : quietMs.plain,
    signal: target.signal,
  });
  const body = abortable(response.body, watch.signal);
  try {
    const options = { onBytes: watch.touch, onId: (id: string) => void (place && (place.id = id)) };
    for await (const { id, data } of readEvents(body, options)) {
      const parsed = WireEvent.safeParse(jsonOf(data));
      // An event of a kind that is not known is a newer server's, not a fault.
      if (parsed.success) yield { event: parsed.data, id };
    }
  } catch (error) {
    target.signal?.throwIfAborted();
    throw connectionError(watch.signal.aborted ? watch.signal.reason : error, { service: target.service, url });
  }
}

/** The same bytes; a read that waits when the signal fires is rejected with its reason. */
function abortable(source: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
  if (signal.aborted) aborted.reject(signal.reason);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await Promise.race([reader.read(), aborted.promise]);
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      } catch (error) {
        reader.cancel(error).catch(() => {});
        throw error;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Words of a plain server between the job's lines; they end in a backslash and an n where a newline was meant. */
const serverWords = /^(Job already completed\.|Job not found\.|Job disappeared\.|Error streaming logs: .*?)\\n$/s;

function* newLine(data: string, place: Place): Generator<CiEvent> {
  const words = serverWords.exec(data);
  if (words) return yield { type: "log", data: `${words[1]}\n` };
  if (place.toSkip > 0) return void place.toSkip--;
  place.lines++;
  yield { type: "log", data };
}

/** What a plain server leaves unsaid: a job that failed before it began has no log and no start. */
function silence(job: Job, place: Place, has: (feature: Feature) => boolean): { reason?: string } {
  if (place.lines > 0 || job.success === true || job.start_time !== null || has("event-ids")) return {};
  return {
    reason:
      "the server could not set the project up and does not say why: it needs a valid zip with a `requirements.txt` " +
      "at its root that installs",
  };
}

function isBreak(error: unknown): boolean {
  if (!(error instanceof HttpError)) return false;
  if (error.reason === "status") return [408, 425, 429, 500, 502, 503, 504].includes(error.status ?? 0);
  return error.reason === "cut" || error.reason === "timeout" || error.reason === "refused" || error.reason === "dns";
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return messageOf(error);
  }
}
