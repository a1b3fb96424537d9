import { abortable } from "../http/body.ts";
import { connectionError, HttpError } from "../http/errors.ts";
import { readEvents } from "../http/events.ts";
import { jsonOf } from "../http/json.ts";
import { watchQuiet } from "../http/quiet.ts";
import type { Target } from "../http/request.ts";
import { type Feature, WireEvent } from "./job.ts";

/** A server with heartbeats is silent for no longer than 15 s; the plain one may be, while a test thinks. */
const quietMs = { heartbeat: 45_000, plain: 240_000 };

/** An event, and the id that the server gave it or the one before. */
export interface WireEventWithId {
  readonly event: WireEvent;
  readonly id: string | undefined;
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
