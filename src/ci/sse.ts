import type { Clock } from "../world.ts";
import type { CiService } from "./service.ts";
import type { WireEvent } from "./job.ts";

/** How often a silent stream says that it lives. */
export const pingMs = 15_000;

export interface StreamOptions {
  readonly service: CiService;
  readonly clock: Clock;
  readonly id: string;
  /** Say the job's id first, as the answer to a submission does. */
  readonly isIdSaid: boolean;
  /** Lines the client has; `"now"`: only what comes from here on. */
  readonly after: number | "now";
  readonly signal: AbortSignal;
}

/** A job's log as server-sent events. */
export function eventStream(options: StreamOptions): Response {
  const gone = new AbortController();
  const signal = AbortSignal.any([options.signal, gone.signal]);
  const texts = withPings(eventsOf({ ...options, signal }), options.clock, signal);
  // Who is gone asks for no more: what is open for them (the log's file) is closed from here.
  signal.addEventListener("abort", () => void texts.return(undefined).catch(() => {}), { once: true });
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await texts.next();
      if (next.done) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
    cancel() {
      gone.abort();
    },
  }, { highWaterMark: 0 });
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
  });
}

async function* eventsOf({ service, id, isIdSaid, after, signal }: StreamOptions): AsyncGenerator<string> {
  if (isIdSaid) yield event({ type: "job_id", job_id: id });
  const isOver = service.find(id)?.success !== null;
  const from = after === "now" ? await service.lineCount(id) : after;
  if (after === "now" && isOver) {
    yield event({ type: "log", data: "Job already completed.\n" });
  } else {
    // An id without data: a client that is cut off before the first line comes back to this very place.
    if (after === "now") yield `id: ${from}\n\n`;
    for await (const line of service.follow(id, { after: from, signal })) {
      yield event({ type: "log", data: line.text }, line.number);
    }
  }
  if (!signal.aborted) yield event({ type: "complete", success: service.find(id)?.success === true });
}

/** The events, and a comment at once and after each silence: the first one also sends the answer's head. */
async function* withPings(events: AsyncGenerator<string>, clock: Clock, signal: AbortSignal): AsyncGenerator<string> {
  try {
    yield ": ping\n\n";
    let next = nextOf(events);
    while (!signal.aborted) {
      const waiting = new AbortController();
      const ping = clock.sleep(pingMs, AbortSignal.any([signal, waiting.signal])).then(
        () => "ping" as const,
        () => undefined,
      );
      const first = await Promise.race([next, ping]);
      waiting.abort();
      if (first === undefined) return;
      if (first === "ping") {
        yield ": ping\n\n";
        continue;
      }
      if (first.done) return;
      yield first.value;
      next = nextOf(events);
    }
  } finally {
    await events.return(undefined);
  }
}

/** The next item; its failure is met where it is awaited, and is no bug of the process while a ping is written. */
function nextOf(events: AsyncGenerator<string>): Promise<IteratorResult<string>> {
  const next = events.next();
  next.catch(() => {});
  return next;
}

/** One event; JSON in ASCII, as the existing server writes it. */
function event(content: WireEvent, id?: number): string {
  const json = JSON.stringify(content).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${id === undefined ? "" : `id: ${id}\n`}data: ${json}\n\n`;
}
