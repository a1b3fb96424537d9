import type { Duplex } from "node:stream";
import type { World } from "../world.ts";
import { HttpError } from "./errors.ts";

export interface ExchangeRequest {
  readonly method?: "GET" | "POST";
  /** Begins with `/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface ExchangeOptions {
  readonly world: Pick<World, "clock" | "trace">;
  /** How to speak of the server in messages: `the agent on i-1`. */
  readonly service: string;
  /** Until the whole answer is here. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ExchangeAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** More than a status, a list of jobs or a page of metrics ever is. */
const maxBytes = 4 * 1024 * 1024;

/** One HTTP/1.1 request and its whole answer over a stream that is used for nothing else. Any status is an answer. */
export async function exchange(
  stream: Duplex,
  request: ExchangeRequest,
  { world, service, timeoutMs, signal }: ExchangeOptions,
): Promise<ExchangeAnswer> {
  signal?.throwIfAborted();
  const over = new AbortController();
  const limit = AbortSignal.any([over.signal, ...(signal ? [signal] : [])]);
  const isLate = world.clock.sleep(timeoutMs, limit).then(() => true, () => false);
  const answer = read(stream, service);
  const askedAt = world.clock.monotonic();
  const trace = (how: string) => {
    const ms = Math.round(world.clock.monotonic() - askedAt);
    world.trace?.(`${request.method ?? "GET"} ${request.path.split("?")[0]} of ${service}: ${how}, ${ms} ms`);
  };
  answer.then(({ status }) => trace(`${status}`), () => trace("no answer"));
  try {
    stream.write(textOf(request));
    const first = await Promise.race([answer, isLate]);
    if (typeof first === "object") return first;
    signal?.throwIfAborted();
    throw new HttpError(`${service} does not answer within ${timeoutMs / 1000} s`, { reason: "timeout" });
  } finally {
    over.abort();
    stream.destroy();
  }
}

function textOf({ method = "GET", path, headers = {}, body }: ExchangeRequest): string {
  const length = body === undefined ? {} : { "content-length": String(new TextEncoder().encode(body).length) };
  const all = Object.entries({ host: "localhost", connection: "close", ...headers, ...length });
  const lines = [`${method} ${path} HTTP/1.1`, ...all.map(([name, value]) => `${name}: ${value}`)];
  // A line break in a header would begin another request.
  if (lines.some((line) => /[\r\n\0]/.test(line))) throw new TypeError("a header holds a line break");
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

function read(stream: Duplex, service: string): Promise<ExchangeAnswer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown) =>
      reject(new HttpError(`${service} gave no whole answer: ${why}`, { reason: "cut", cause }));
    const settle = (isEnd: boolean) => {
      try {
        const parsed = parseAnswer(Buffer.concat(chunks), isEnd);
        if (parsed) resolve(parsed);
        else if (isEnd) fail("the connection was closed");
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        reject(new HttpError(`${service} gave an answer that is not HTTP: ${why}`, { reason: "shape", cause: error }));
      }
    };
    stream.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxBytes) return fail("it is too long");
      settle(false);
    });
    stream.once("end", () => settle(true));
    stream.once("close", () => settle(true));
    stream.on("error", (error) => fail(error.message, error));
  });
}

/** The answer, or `undefined` while a part of it is missing. Throws where it cannot be one. */
export function parseAnswer(bytes: Buffer, isEnd: boolean): ExchangeAnswer | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) {
    if ("HTTP/1.".startsWith(bytes.toString("latin1", 0, 7))) return undefined;
    throw new Error("it does not begin with a status line");
  }
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1]);
  if (!status) throw new Error("it does not begin with a status line");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const rest = bytes.subarray(headEnd + 4);
  if (status >= 100 && status < 200) return parseAnswer(rest, isEnd);
  const body = bodyOf(rest, headers, isEnd);
  return body && { status, headers, text: body.toString("utf8") };
}

function bodyOf(rest: Buffer, headers: Readonly<Record<string, string>>, isEnd: boolean): Buffer | undefined {
  if (/\bchunked\b/i.test(headers["transfer-encoding"] ?? "")) return dechunk(rest);
  const given = headers["content-length"];
  if (given === undefined) return isEnd ? rest : undefined;
  if (!/^\d{1,9}$/.test(given)) throw new Error("its length is not a number");
  const length = Number(given);
  return rest.length >= length ? rest.subarray(0, length) : undefined;
}

function dechunk(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = /^([0-9a-f]{1,7})\s*(?:;.*)?$/i.exec(bytes.toString("latin1", at, lineEnd))?.[1];
    if (size === undefined) throw new Error("a chunk has no length");
    const length = parseInt(size, 16);
    if (length === 0) return Buffer.concat(parts);
    const end = lineEnd + 2 + length;
    if (bytes.length < end + 2) return undefined;
    parts.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
