import packageJson from "../../package.json" with { type: "json" };
import { bearerOf, isSameSecret } from "../ci/server/access.ts";
import { features } from "../ci/job.ts";
import { type Extension, NoLease } from "./lease.ts";
import { metricsText, metricsType } from "./metrics.ts";
import { statusPage } from "./page.ts";
import { type Machine, readStatus } from "./status.ts";
import { type Fields, readFields } from "./fields.ts";

export interface DaemonOptions extends Machine {
  readonly token: string;
}

type Act = (request: Request, daemon: DaemonOptions) => Response | Promise<Response>;

/** Answers what a status daemon answers; `undefined` for every other path. */
export async function daemonAnswer(request: Request, daemon: DaemonOptions): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined;
  if (route === undefined) return undefined;
  const act = Object.hasOwn(route, request.method) ? route[request.method] : undefined;
  return act ? await act(request, daemon) : refusal(405, `${request.method} is not possible here`);
}

const routes: Readonly<Record<string, Readonly<Record<string, Act>>>> = {
  "/": { GET: page },
  "/health": { GET: health },
  "/status": { GET: (request, daemon) => guarded(request, daemon, status) },
  "/metrics": { GET: metrics },
  "/activity": { POST: (request, daemon) => guarded(request, daemon, activity) },
  "/extend": { POST: extend },
  "/idle": { POST: (request, daemon) => guarded(request, daemon, changeIdleRule) },
  "/shutdown": { POST: (request, daemon) => guarded(request, daemon, shutDown) },
};

/**
 * Two protocols meet here. A CI client reads `status: "ok"` and the features; a client of the status daemon judges by
 * the status code (its first version had no such route), and finds the daemon's word in `daemon`.
 */
function health(): Response {
  const { version } = packageJson;
  return Response.json({ status: "ok", server: "gpu", version, features: [...features, "lease"], daemon: "healthy" });
}

async function status(_request: Request, daemon: DaemonOptions): Promise<Response> {
  return Response.json(await readStatus(daemon));
}

async function metrics(request: Request, daemon: DaemonOptions): Promise<Response> {
  if (!isAllowed(request, daemon.token)) return new Response("Unauthorized", { status: 401 });
  const { world, watch } = daemon;
  const text = metricsText(await readStatus(daemon), { now: world.clock.now(), startedMs: watch.startedMs });
  return new Response(text, { headers: { "content-type": metricsType } });
}

async function page(request: Request, daemon: DaemonOptions): Promise<Response> {
  if (!isAllowed(request, daemon.token)) return new Response("Unauthorized", { status: 401 });
  const headers = {
    "content-type": "text/html; charset=utf-8",
    // The address may carry the token: nobody is told where this page came from.
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
  };
  return new Response(statusPage(await readStatus(daemon)), { headers });
}

function activity(_request: Request, { watch, world }: DaemonOptions): Response {
  watch.touch();
  return Response.json({ last_activity: new Date(world.clock.now()).toISOString() });
}

async function extend(request: Request, daemon: DaemonOptions): Promise<Response> {
  const fields = await readFields(request);
  if (!isBearer(request, daemon.token) && !isSameSecret(formToken(fields), daemon.token)) return unauthorized();
  if ("problem" in fields) return refusal(fields.status, fields.problem);
  const asked = askedExtension(fields.values);
  if ("problem" in asked) return refusal(400, asked.problem);
  const { lease, watch, world } = daemon;
  try {
    if (lease === undefined) throw new NoLease();
    if ("until" in asked && asked.until <= world.clock.now()) return refusal(400, "`shutdown_at` is over already");
    const done = "until" in asked ? await lease.moveTo(asked.until) : await lease.extend(asked.hours);
    watch.poke();
    return Response.json(extensionAnswer(done));
  } catch (error) {
    if (error instanceof NoLease) return refusal(409, `${error.message}: there is nothing to extend`);
    throw error;
  }
}

function extensionAnswer({ addedHours, endsAt, limit }: Extension) {
  return {
    extended_by_hours: Math.round(addedHours * 1000) / 1000,
    new_shutdown_at: new Date(endsAt).toISOString(),
    ...(limit !== undefined && { limit }),
  };
}

type Asked = { readonly hours: number } | { readonly until: number } | { readonly problem: string };

/** Whole hours, as clients of the status daemon ask; or the moment of the end, which can be asked for twice. */
function askedExtension({ hours, shutdown_at: until }: Readonly<Record<string, unknown>>): Asked {
  if (until !== undefined) {
    const time = typeof until === "string" && /^\d{4}-\d\d-\d\dT.*Z$/.test(until) ? Date.parse(until) : NaN;
    return Number.isNaN(time)
      ? { problem: "`shutdown_at` is not a time like `2026-01-01T12:00:00Z`" }
      : { until: time };
  }
  // An answer that adds some hours nobody asked for helps nobody.
  if (hours === undefined) return { problem: "`hours` is missing" };
  const text = String(hours).trim();
  const isText = typeof hours !== "number" && !(typeof hours === "string" && /^[+-]?\d+(\.\d+)?$/.test(text));
  const value = Number(text);
  if (isText || !Number.isFinite(value)) return { problem: "`hours` is not a number" };
  if (value <= 0) return { problem: "`hours` must be more than 0" };
  if (!Number.isSafeInteger(value)) return { problem: "`hours` must be a whole number" };
  return { hours: value };
}

/** Tells the agent what to do when nobody uses the machine; `after_minutes: null` ends that. */
async function changeIdleRule(request: Request, { watch }: DaemonOptions): Promise<Response> {
  const fields = await readFields(request);
  if ("problem" in fields) return refusal(fields.status, fields.problem);
  const { after_minutes: after, then = "stop" } = fields.values;
  if (then !== "stop" && then !== "warn") return refusal(400, "`then` is `stop` or `warn`");
  if (after === null) watch.idle = undefined;
  else if (typeof after === "number" && after > 0) watch.idle = { afterMs: after * 60_000, then };
  else return refusal(400, "`after_minutes` must be a number above 0, or null");
  watch.poke();
  return Response.json({ idle_timeout_minutes: after, then, can_stop: watch.canEnd });
}

async function shutDown(request: Request, { watch }: DaemonOptions): Promise<Response> {
  const fields = await readFields(request);
  if ("problem" in fields) return refusal(fields.status, fields.problem);
  const { reason } = fields.values;
  if (reason !== undefined && typeof reason !== "string") return refusal(400, "`reason` is not a text");
  if (!watch.canEnd) {
    return refusal(409, "this agent was given no key to end the instance with: use `gpu stop` where it was rented");
  }
  watch.shutDown(printable(reason ?? "") || "somebody asked for it");
  return Response.json({ status: "terminating" });
}

async function guarded(request: Request, daemon: DaemonOptions, act: Act): Promise<Response> {
  return isBearer(request, daemon.token) ? await act(request, daemon) : unauthorized();
}

function isBearer(request: Request, token: string): boolean {
  return isSameSecret(bearerOf(request), token);
}

/** What a browser or a scraper opens may carry the token in its address. */
function isAllowed(request: Request, token: string): boolean {
  return isBearer(request, token) || isSameSecret(new URL(request.url).searchParams.get("token") ?? "", token);
}

function formToken(fields: Fields): string {
  return "values" in fields && fields.isForm && typeof fields.values.token === "string" ? fields.values.token : "";
}

function unauthorized(): Response {
  return refusal(401, "unauthorized");
}

function refusal(status: number, error: string): Response {
  return Response.json({ error }, { status });
}

/** It goes to terminals and logs. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, " ").trim().slice(0, 200);
}
