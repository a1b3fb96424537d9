import { createParser } from "eventsource-parser";

/** One server-sent event. `id` is the last one the server gave, also before this event; `ownId` came with it. */
export interface ServerEvent {
  readonly id: string | undefined;
  readonly ownId: string | undefined;
  readonly data: string;
}

interface ReadEventsOptions {
  readonly onBytes?: () => void;
  readonly onId?: (id: string) => void;
}

/** A log line may be long, but a server that never ends one must not fill the memory. */
const maxEventChars = 64 * 2 ** 20;

/**
 * The events of a `text/event-stream` body, each as soon as it is complete. Comments are left out; `onBytes` sees that
 * something came, `onId` each id (also one that comes without data). Ends where the body ends, rejects where it is cut.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  options?: ReadEventsOptions,
): AsyncGenerator<ServerEvent> {
  for await (const batch of readEventBatches(body, options)) yield* batch;
}

/** The same, in the lots in which they come: a step of an async generator for each of a million lines costs seconds. */
export async function* readEventBatches(
  body: ReadableStream<Uint8Array>,
  { onBytes, onId }: ReadEventsOptions = {},
): AsyncGenerator<readonly ServerEvent[]> {
  let ready: ServerEvent[] = [];
  let id: string | undefined;
  const parser = createParser({
    maxBufferSize: maxEventChars,
    onId(given: string) {
      id = given;
      onId?.(given);
    },
    onEvent: (event) => void ready.push({ id, ownId: event.id, data: event.data }),
    onError(error) {
      if (error.type === "max-buffer-size-exceeded") throw error;
    },
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes?.();
      parser.feed(decoder.decode(value, { stream: true }));
      const complete = ready;
      ready = [];
      if (complete.length > 0) yield complete;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
