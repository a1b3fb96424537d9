import type { z } from "zod";
import type { World } from "../world.ts";
import { readBody, TooLargeError } from "./body.ts";
import { connectionError } from "./connection.ts";
import { htmlError, HttpError, isPassing, looksLikeHtml, statusError } from "./errors.ts";
import { jsonOf } from "./json.ts";
import { watchQuiet } from "./quiet.ts";
import { maxAttempts, pauseMs, slowDownMs } from "./retry.ts";

/** Whom to ask, and how to speak of it in messages: `the CI server`. */
export interface Target {
  readonly world: Pick<World, "fetch" | "clock" | "random"> & Partial<Pick<World, "env">>;
  readonly service: string;
  /** With or without a path; what is asked is appended to it. */
  readonly baseUrl: string;
  readonly bearer?: string;
  readonly signal?: AbortSignal;
  readonly limiter?: Limiter;
  /** `manual`: an answer that points elsewhere is an error, and neither key nor body goes there. */
  readonly redirect?: "follow" | "manual";
}

/** Keeps how often a server may be asked. */
export interface Limiter {
  /** Waits until the next request may leave; asked before each attempt. */
  turn(signal?: AbortSignal): Promise<void>;
  /** The server said 429: nobody's turn comes for that long. `false`: turns are not held back, so who asks again waits by itself. */
  pause(ms: number, refusal: SlowDown): Promise<boolean>;
}

/** An answer 429, as far as a limiter looks at it. */
export interface SlowDown {
  /** Which of the tries of this request it was, from 1. */
  readonly attempt: number;
  /** The server says how often it may be asked: draft-ietf-httpapi-ratelimit-headers. */
  readonly hasPolicy: boolean;
}

export interface RequestOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Begins with `/`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each attempt. */
  readonly body?: () => BodyInit;
  /** How long to wait for the answer's head, counted from the last piece of a streamed body; 0: for ever. */
  readonly timeoutMs?: number;
  /** Whether a repeated request does no harm; by default only GET and DELETE. */
  readonly isRepeatable?: boolean;
  /** Repeated where it was turned away with 429, which proves that nothing was done. */
  readonly isRepeatedWhenRefused?: boolean;
  readonly attempts?: number;
  /**
   * On a connection of its own. Bun sends a request again by itself when a kept connection is cut before its answer;
   * since 1.4 not a POST, but what must never leave twice does not depend on that.
   */
  readonly isAlone?: boolean;
}

const defaultTimeoutMs = 30_000;
const maxAnswerBytes = 16 * 2 ** 20;

/** One request: its 2xx answer with the body unread, or an `HttpError`. Reads and deletes are tried four times. */
export async function request(target: Target, options: RequestOptions): Promise<Response> {
  const method = options.method ?? "GET";
  const isRepeatable = options.isRepeatable ?? (method === "GET" || method === "DELETE");
  const mostAttempts = options.attempts ?? maxAttempts;
  for (let attempt = 1;; attempt++) {
    await target.limiter?.turn(target.signal);
    const outcome = await once(target, options);
    if (outcome instanceof Response) return outcome;
    const { error, retryAfter, hasPolicy } = outcome;
    const isRefused = error.status === 429;
    // Also where this request is not repeated: the next one, of whatever process, comes later.
    const isHeldBack = isRefused &&
      await target.limiter?.pause(slowDownMs(target.world, { attempt, retryAfter }), { attempt, hasPolicy });
    const attempts = isRepeatable || (isRefused && options.isRepeatedWhenRefused) ? mostAttempts : 1;
    const waitMs = isWorthRepeating(error, target)
      ? pauseMs(target.world, { attempt, attempts, retryAfter })
      : undefined;
    if (waitMs === undefined) throw error;
    if (!isHeldBack) await target.world.clock.sleep(waitMs, target.signal);
  }
}

/** One request whose JSON answer must have the schema's shape. */
export async function requestJson<T>(
  target: Target,
  { schema, ...options }: RequestOptions & { schema: z.ZodType<T> },
): Promise<T> {
  const url = addressOf(target, options);
  const response = await request(target, options);
  const text = await readAnswer(target, response, { url, quietMs: options.timeoutMs });
  if (looksLikeHtml(response, text)) throw htmlError(response, { service: target.service, url });
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? ` at \`${issue.path.join(".")}\`` : "";
  throw new HttpError(
    `${target.service} at ${url.origin} gave an answer to ${url.pathname} that is not understood${where}`,
    { reason: "shape", status: response.status, body: text.slice(0, 4096), hint: "check the address and the port" },
  );
}

/** The text of an answer that came, whole; a server that breaks off, falls silent or never ends is an error. */
export async function readAnswer(
  { world: { clock, env }, service, signal }: Target,
  response: Response,
  { url, quietMs = defaultTimeoutMs }: { url: URL; quietMs?: number },
): Promise<string> {
  const { text, failure } = await readBody(response, { clock, quietMs, maxBytes: maxAnswerBytes, signal });
  if (failure === undefined) return text;
  signal?.throwIfAborted();
  if (!(failure instanceof TooLargeError)) throw connectionError(failure, { service, url, env });
  throw new HttpError(`${service} at ${url.origin} gave an answer to ${url.pathname} that is ${failure.message}`, {
    reason: "shape",
    status: response.status,
    hint: "check the address and the port",
  });
}

async function once(
  target: Target,
  options: RequestOptions,
): Promise<Response | { error: HttpError; retryAfter: string | null; hasPolicy: boolean }> {
  const { world, service, bearer, signal } = target;
  const url = addressOf(target, options);
  using watch = watchQuiet({ clock: world.clock, quietMs: options.timeoutMs ?? defaultTimeoutMs, signal });
  // The watch ends with the head of the answer; only the caller's own signal may cut the body.
  const ended = new AbortController();
  const onQuiet = () => ended.abort(watch.signal.reason);
  watch.signal.addEventListener("abort", onQuiet);
  const given = options.body?.();
  const upload = given instanceof ReadableStream ? watched(given, watch.touch) : undefined;
  const init: RequestInit & { duplex?: "half"; timeout: false } = {
    method: options.method ?? "GET",
    headers: { ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }), ...options.headers },
    signal: signal ? AbortSignal.any([signal, ended.signal]) : ended.signal,
    // Bun cuts a connection that is silent for five minutes; silence is judged here and by who reads the body.
    timeout: false,
    ...(options.isAlone === true ? { keepalive: false } : {}),
    ...(target.redirect === undefined ? {} : { redirect: target.redirect }),
    ...(upload ? { body: upload.stream, duplex: "half" } : given === undefined ? {} : { body: given }),
  };
  try {
    signal?.throwIfAborted();
    const response = await world.fetch(url, init);
    if (response.ok) return response;
    const limits = { clock: world.clock, quietMs: options.timeoutMs ?? defaultTimeoutMs, signal };
    const error = await statusError(response, { service, url, limits });
    const { headers } = response;
    return { error, retryAfter: headers.get("retry-after"), hasPolicy: headers.has("ratelimit-policy") };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof HttpError) throw error;
    // What went wrong while the body was made (an unreadable file) is the caller's own error.
    if (upload?.failure()) throw upload.failure();
    return {
      error: connectionError(watch.signal.aborted ? watch.signal.reason : error, { service, url, env: world.env }),
      retryAfter: null,
      hasPolicy: false,
    };
  } finally {
    watch.signal.removeEventListener("abort", onQuiet);
  }
}

/** The same bytes, with each piece noticed, and what went wrong while they were made kept. */
function watched(source: ReadableStream<Uint8Array>, touch: () => void) {
  const reader = source.getReader();
  let failure: unknown;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await reader.read().catch((error) => {
        failure = error;
        throw error;
      });
      touch();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  return { stream, failure: () => failure };
}

function isWorthRepeating(error: HttpError, target: Target): boolean {
  // On this very computer nothing lies between that could have a bad moment.
  if (error.reason === "refused" && isLoopback(new URL(target.baseUrl).hostname)) return false;
  return isPassing(error);
}

/** Whether a URL's host is this very computer. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

function addressOf({ baseUrl }: Target, { path, query = {} }: RequestOptions): URL {
  const url = new URL(baseUrl.replace(/\/+$/, "") + path);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}
