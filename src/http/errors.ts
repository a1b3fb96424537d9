import { GpuError } from "../errors.ts";
import { type BodyLimits, readBody } from "./body.ts";

/** Why there is no usable answer. `status`: the server refused with its HTTP status; `shape`: not what was agreed. */
export type HttpReason =
  | "refused"
  | "no-route"
  | "dns"
  | "tls"
  | "timeout"
  | "proxy"
  | "cut"
  | "html"
  | "shape"
  | "status";

/** A request without a usable answer. `service` in its message says who was asked. */
export class HttpError extends GpuError {
  override name = "HttpError";
  readonly reason: HttpReason;
  readonly status: number | undefined;
  /** The start of the answer's body, for a caller that knows its error format. */
  readonly body: string;
  readonly requestId: string | undefined;

  constructor(
    message: string,
    { reason, status, body = "", requestId, hint, cause }: {
      reason: HttpReason;
      status?: number;
      body?: string;
      requestId?: string;
      hint?: string;
      cause?: unknown;
    },
  ) {
    super(message, { hint, cause });
    this.reason = reason;
    this.status = status;
    this.body = body;
    this.requestId = requestId;
  }
}

// 520 to 524 and 530 are Cloudflare's, for a server behind it that does not answer.
const passing = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530]);

/** Whether an error, or what caused it, is of a kind that waiting mends: a server or a network that is away or busy. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof HttpError)) {
    return error instanceof Error && error.cause !== undefined && isPassing(error.cause);
  }
  // A guard in front of a server that is away says so with a web page.
  if (error.reason === "status" || error.reason === "html") return passing.has(error.status ?? 0);
  return ["refused", "no-route", "cut", "timeout", "dns"].includes(error.reason);
}

const maxErrorBytes = 64 * 2 ** 10;

/** The error for an answer whose status is not 2xx. */
export async function statusError(
  response: Response,
  { service, url, limits }: { service: string; url: URL; limits: Omit<BodyLimits, "maxBytes"> },
): Promise<HttpError> {
  // What there is of it says enough, also where it does not come whole.
  const body = (await readBody(response, { ...limits, maxBytes: maxErrorBytes })).text.slice(0, 4096);
  const requestId = response.headers.get("x-request-id") ?? response.headers.get("cf-ray") ?? undefined;
  const { status } = response;
  if (status === 407) {
    return new HttpError(`the proxy on the way to ${service} asks for a login`, {
      reason: "proxy",
      status,
      body,
      hint: "put user and password into `HTTPS_PROXY`: `http://user:password@proxy:port`",
    });
  }
  if (status === 429) {
    // Often from a guard in front of the server, as a web page or plain text.
    return new HttpError(`${service} at ${url.origin} asks to slow down`, {
      reason: "status",
      status,
      body,
      requestId,
      hint: "wait a minute, then try again",
    });
  }
  if (looksLikeHtml(response, body)) return htmlError(response, { service, url });
  // Only seen where redirects are not followed. What is said of the other place is no more than where it is.
  const elsewhere = URL.parse(response.headers.get("location") ?? "", url)?.origin;
  const hint = status >= 300 && status < 400 && elsewhere !== undefined
    ? `it points to \`${elsewhere}\`; use that address if you trust it`
    : undefined;
  return new HttpError(`${service} at ${url.origin} answered ${status} to ${url.pathname}`, {
    reason: "status",
    status,
    body,
    requestId,
    hint,
  });
}

/** The error for a web page where data was expected: mostly a proxy, a login page or another program's port. */
export function htmlError(response: Response, { service, url }: { service: string; url: URL }): HttpError {
  return new HttpError(
    `${url.origin} answered ${response.status} with a web page, not with data: this is not ${service}`,
    {
      reason: "html",
      status: response.status,
      hint: "check the address and the port; a proxy or a login page may stand in front of the server",
    },
  );
}

/** Whether an answer is a web page, by its type or its first characters. */
export function looksLikeHtml(response: Response, body = ""): boolean {
  return (response.headers.get("content-type") ?? "").startsWith("text/html") || /^\s*<(!doctype|html)/i.test(body);
}
