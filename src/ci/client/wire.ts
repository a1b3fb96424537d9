import { abortable } from "../../http/body.ts";
import { connectionError } from "../../http/connection.ts";
import { HttpError } from "../../http/errors.ts";
import { readEventBatches } from "../../http/events.ts";
import { jsonOf } from "../../http/json.ts";
import { watchQuiet } from "../../http/quiet.ts";
import type { Target } from "../../http/request.ts";
import { type Feature, WireEvent } from "../job.ts";

/** A server with heartbeats is silent for no longer than 15 s; the plain one may be, while a test thinks. */
const quietMs = { heartbeat: 45_000, plain: 240_000 };

/** An event, and the id that came with it. */
export interface WireEventWithId {
  readonly event: WireEvent;
  readonly id: string | undefined;
}

/** The events of one connection, in the lots in which they come. */
export type WireBatches = AsyncGenerator<readonly WireEventWithId[]>;

/** The events of an answer, checked. A silence beyond what the server's kind allows breaks it off. */
export async function* wireBatches(
  response: Response,
  { target, has, onId }: { target: Target; has: (feature: Feature) => boolean; onId: (id: string) => void },
): WireBatches {
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
    for await (const lot of readEventBatches(body, { onBytes: watch.touch, onId })) {
      yield lot.flatMap(({ ownId, data }) => {
        const event = eventOf(data);
        return event === undefined ? [] : [{ event, id: ownId }];
      });
    }
  } catch (error) {
    target.signal?.throwIfAborted();
    throw connectionError(watch.signal.aborted ? watch.signal.reason : error, {
      service: target.service,
      url,
      env: target.world.env,
    });
  }
}

/** An event of a kind that is not known is a newer server's, not a fault. */
function eventOf(data: string): WireEvent | undefined {
  const json = jsonOf(data);
  // Of a million events all but two are lines, and a schema takes longer than the rest together.
  if (isLine(json)) return { type: "log", data: json.data };
  return WireEvent.safeParse(json).data;
}

function isLine(json: unknown): json is { type: "log"; data: string } {
  return typeof json === "object" && json !== null && "type" in json && json.type === "log" && "data" in json &&
    typeof json.data === "string";
}
