import type { Clock } from "../../world.ts";
import type { WireEvent } from "../job.ts";
import type { Caller } from "./access.ts";
import type { LogLines } from "./log-reader.ts";
import type { CiService } from "./service.ts";

/** How often a stream says that it lives, in milliseconds. */
export const pingMs = 15_000;

/** How often it is asked whether who reads a stream still may, in milliseconds. */
export const askMs = 1_000;

export interface StreamOptions {
  readonly service: CiService;
  readonly caller: Pick<Caller, "isStillAccepted">;
  readonly clock: Clock;
  readonly id: string;
  /** Say the job's id first, as the answer to a submission does. */
  readonly isIdSaid: boolean;
  /** Lines the client has; `"now"`: only what comes from here on. */
  readonly after: number | "now";
  readonly signal: AbortSignal;
}

/** A job's log as server-sent events. Nothing is read from the log before the client took what came before it. */
export function eventStream(options: StreamOptions): Response {
  const gone = new AbortController();
  const signal = AbortSignal.any([options.signal, gone.signal]);
  if (options.caller.isStillAccepted) void watchCaller(options, signal).finally(() => gone.abort());
  const texts = withPings(eventsOf({ ...options, signal }), options.clock, signal);
  // Who is gone asks for no more: what is open for them (the log's file) is closed from here.
  signal.addEventListener("abort", () => void texts.return(undefined).catch(() => {}), { once: true });
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await texts.next();
      if (!next.done) return controller.enqueue(encoder.encode(next.value));
      gone.abort();
      controller.close();
    },
    cancel() {
      gone.abort();
    },
  }, { highWaterMark: 0 });
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
  });
}

/** Resolves when the caller's key was revoked or has ended, or its user was deactivated; or with the stream. */
async function watchCaller({ caller, clock }: StreamOptions, signal: AbortSignal): Promise<void> {
  try {
    while (caller.isStillAccepted?.() ?? true) await clock.sleep(askMs, signal);
  } catch {
    // The stream is over, or the server.
  }
}

async function* eventsOf({ service, id, isIdSaid, after, signal }: StreamOptions): AsyncGenerator<string> {
  if (isIdSaid) yield event({ type: "job_id", job_id: id });
  const before = service.find(id);
  const isOver = before?.success !== null;
  if (after === "now" && isOver) {
    yield event({ type: "log", data: "Job already completed.\n" });
  } else {
    const from = after === "now" ? await service.lineCount(id) : after;
    // An id without data: a client that is cut off before the first line comes back to this very place.
    if (after === "now") yield `id: ${from}\n\n`;
    for await (const lines of service.follow(id, { after: from, signal })) yield logEvents(lines);
  }
  // A job that is over may be removed while its log is read.
  if (!signal.aborted) yield event({ type: "complete", success: (service.find(id) ?? before)?.success === true });
}

/** The events, and a comment at once and then every so often: the first one also sends the answer's head. */
async function* withPings(events: AsyncGenerator<string>, clock: Clock, signal: AbortSignal): AsyncGenerator<string> {
  const done = new AbortController();
  const until = AbortSignal.any([signal, done.signal]);
  let isPingDue = true;
  let arrived: IteratorResult<string> | undefined;
  let failure: { error: unknown } | undefined;
  let wake = () => {};
  // One timer for all events, and no promise that lives longer than one of them: a race would keep them all.
  const beat = async () => {
    for (;;) {
      await clock.sleep(pingMs, until);
      isPingDue = true;
      wake();
    }
  };
  const ask = () => {
    arrived = undefined;
    events.next().then((next) => arrived = next, (error: unknown) => failure = { error }).finally(() => wake());
  };
  beat().catch(() => wake());
  try {
    ask();
    while (!signal.aborted) {
      if (isPingDue) {
        isPingDue = false;
        yield ": ping\n\n";
      } else if (failure) {
        throw failure.error;
      } else if (arrived) {
        if (arrived.done) return;
        yield arrived.value;
        ask();
      } else {
        await new Promise<void>((resolve) => wake = resolve);
      }
    }
  } finally {
    done.abort();
    await events.return(undefined);
  }
}

/** Lines that are there at once as one piece of text: writing each by itself would cost more than all else. */
function logEvents({ first, texts }: LogLines): string {
  let number = first;
  let events = "";
  for (const text of texts) {
    events += `id: ${number}\ndata: {"type":"log","data":${JSON.stringify(text)}}\n\n`;
    number++;
  }
  return ascii(events);
}

function event(content: WireEvent): string {
  return `data: ${ascii(JSON.stringify(content))}\n\n`;
}

/** JSON in ASCII, as the existing server writes it. */
function ascii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
