import { GpuError, LoginError, messageOf, systemCode } from "../../errors.ts";
import { HttpError, isPassing } from "../../http/errors.ts";
import { LaunchRefused } from "../provider.ts";
import { type ErrorEnvelope, findEnvelope } from "./wire.ts";

/** Lambda refused a request, in its own words. */
export class LambdaRefusal extends GpuError {
  override name = "LambdaRefusal";
  /** `global/object-does-not-exist`; what to branch on. */
  readonly code: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;

  constructor(message: string, { envelope, error }: { envelope: ErrorEnvelope; error: HttpError }) {
    super(message, {
      hint: hintOf(envelope),
      kind: envelope.code === absent ? "not-found" : "failed",
      cause: error,
    });
    this.code = envelope.code;
    this.status = error.status;
    this.requestId = error.requestId;
  }
}

const absent = "global/object-does-not-exist";

/** Where Lambda suggests nothing. */
const hints = new Map(Object.entries({
  "global/account-inactive": "verify the e-mail address and the payment method at https://cloud.lambda.ai",
  "global/invalid-address": "correct the billing address at https://cloud.lambda.ai",
  "global/not-found": "check the address of the API, `LAMBDA_API_URL` or `providers.lambda.url`",
  "global/forbidden": "the key may not do this; make another at https://cloud.lambda.ai/api-keys",
  "global/quota-exceeded": "Lambda's support can raise the quota",
  "global/conflict": "wait until what is going on with it is over, then try again",
  "global/internal-error": "try again later",
  "global/unknown": "try again later",
  "instance-operations/launch/insufficient-capacity": "`gpu available` lists what is free",
  "instance-operations/launch/file-system-in-wrong-region":
    "`gpu filesystem list` shows the regions: rent where the filesystem is",
  "instance-operations/launch/file-systems-not-supported": "rent in another region, or without a filesystem",
  "filesystems/filesystem-in-use": "stop the instances that mount it first; `gpu status` lists them",
  "ssh-keys/key-in-use": "stop the instances that were launched with it first",
}));
const loginHint = "`gpu configure` stores another key, and `LAMBDA_API_KEY` wins over what is stored";

/** Whether what was asked for is not there. `global/not-found` is of a wrong address: that proves nothing gone. */
export function isAbsent(error: unknown): boolean {
  return error instanceof LambdaRefusal && error.code === absent;
}

/** The error of a request for a person: what was being done, Lambda's words, and what its support will ask for. */
export function inWords(error: unknown, doing: string): unknown {
  if (!(error instanceof HttpError)) return error;
  const envelope = findEnvelope(error.body);
  if (error.status === 401) {
    const words = envelope ? wordsOf(envelope, error) : `the API key is not accepted (${evidence(["401"], error)})`;
    return new LoginError(`cannot ${doing}: ${words}`, { hint: loginHintOf(envelope), cause: error });
  }
  if (envelope) return new LambdaRefusal(`cannot ${doing}: ${wordsOf(envelope, error)}`, { envelope, error });
  return error;
}

/**
 * What makes it certain that a launch made no machine; undefined where it may have made one. Certain are: an error of
 * Lambda's own with a 4xx status, the rate limit of the guard in front of it, and a connection that never came about.
 */
export function findLaunchRefusal(error: unknown): LaunchRefused | undefined {
  if (!(error instanceof HttpError)) return undefined;
  if (wasNeverConnected(error)) return new LaunchRefused(error.message, { reason: "trouble", hint: error.hint });
  const envelope = findEnvelope(error.body);
  if (envelope === undefined) return isRateLimit(error) ? rateLimited(error) : undefined;
  if (!isProof(envelope, error.status ?? 0)) return undefined;
  const reason = error.status === 401 ? "login" : error.status === 429 ? "capacity" : reasonOf(envelope);
  const hint = reason === "login" ? loginHintOf(envelope) : hintOf(envelope);
  return new LaunchRefused(wordsOf(envelope, error), { reason, hint });
}

/** For what failed before the launch's own request: nothing was made, because nothing was asked for. */
export function notSent(error: unknown): LaunchRefused {
  const hint = error instanceof GpuError ? error.hint : undefined;
  const reason = error instanceof LoginError ? "login" : isPassing(error) ? "trouble" : "request";
  return new LaunchRefused(`it was not sent: ${messageOf(error)}`, { reason, hint });
}

/** Errors of somebody behind Lambda, or of something broken, say nothing about how far the launch came. */
function isProof({ code }: ErrorEnvelope, status: number): boolean {
  if (code.startsWith("provider/") || code === "global/internal-error" || code === "global/unknown") return false;
  // 408: somebody gave up waiting. 499 is what proxies write where the client did.
  return status >= 400 && status < 500 && status !== 408 && status !== 499;
}

function reasonOf({ code }: ErrorEnvelope): LaunchRefused["reason"] {
  if (code === "instance-operations/launch/insufficient-capacity") return "capacity";
  if (code === "global/invalid-api-key" || code === "global/forbidden") return "login";
  const isOfAccount = ["global/quota-exceeded", "global/account-inactive", "global/invalid-address"].includes(code);
  return isOfAccount ? "quota" : "request";
}

/** Cloudflare's error 1015, a web page or one line of text, is written in front of Lambda: no launch arrived there. */
function isRateLimit({ status, body }: HttpError): boolean {
  return status === 429 && /\b1015\b/.test(body);
}

/**
 * `capacity`, since waiting mends it and another provider may do. What tries again does so as a launch of its own, with
 * another token, and only after the pause that the bucket has been given: so there is never a second one.
 */
function rateLimited(error: HttpError): LaunchRefused {
  return new LaunchRefused(`too many requests in a short time (${evidence(["429"], error)})`, {
    reason: "capacity",
    hint: "Lambda takes one launch in 12 seconds, from all computers together; wait a minute",
  });
}

/** Codes only: a route that is lost in the middle of a connection has a code that sounds alike. */
function wasNeverConnected(error: HttpError): boolean {
  if (!["dns", "refused", "proxy"].includes(error.reason)) return false;
  return /^(ENOTFOUND|EAI_[A-Z]+|ENODATA|ECONNREFUSED|ConnectionRefused)$/.test(systemCode(error.cause) ?? "");
}

function wordsOf({ code, message }: ErrorEnvelope, error: HttpError): string {
  const words = message.slice(0, 500).replace(/[.\s]+$/, "") || "no reason was given";
  return `${words} (${evidence([String(error.status ?? ""), code], error)})`;
}

function evidence(parts: readonly string[], { requestId }: HttpError): string {
  const request = requestId === undefined
    ? []
    : [`request ${requestId.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 100)}`];
  return [parts.filter((part) => part !== "").join(" ").slice(0, 150), ...request].join(", ");
}

function hintOf({ code, suggestion }: ErrorEnvelope): string | undefined {
  return suggestion?.slice(0, 500) ?? hints.get(code) ??
    (code.startsWith("provider/") ? "try again shortly" : undefined);
}

function loginHintOf(envelope: ErrorEnvelope | undefined): string {
  return [envelope?.suggestion?.slice(0, 500).replace(/\.$/, ""), loginHint].filter((part) => part).join("; ");
}
