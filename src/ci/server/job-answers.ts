import type { World } from "../../world.ts";
import type { Caller } from "./access.ts";
import { detail, invalid } from "./answers.ts";
import { take } from "./intake.ts";
import type { Job } from "../job.ts";
import { logSlice } from "./log-tail.ts";
import type { CiService } from "./service.ts";
import { eventStream } from "./sse.ts";
import { wireTime } from "./wire-time.ts";

/** One request about jobs, and who asks. */
export interface JobRequest {
  readonly request: Request;
  readonly world: Pick<World, "clock" | "random">;
  readonly service: CiService;
  readonly caller: Caller;
  readonly maxUploadBytes?: number;
}

/** The same about one job. */
export interface OneJobRequest extends JobRequest {
  readonly job: Job;
}

/** Answers with the log of the job that was submitted. */
export async function submitFollowed(ask: JobRequest, { isIdSaid }: { isIdSaid: boolean }): Promise<Response> {
  const { service, world, request, caller } = ask;
  const taken = await take(request, ask);
  if (taken instanceof Response) return taken;
  return eventStream({
    ...{ service, caller, id: taken, isIdSaid },
    clock: world.clock,
    after: 0,
    signal: request.signal,
  });
}

/** Answers with the id of the job that was submitted. */
export async function submit(ask: JobRequest): Promise<Response> {
  const taken = await take(ask.request, ask);
  return taken instanceof Response ? taken : Response.json({ job_id: taken });
}

export function list({ request, service, caller }: JobRequest): Response {
  const query = new URL(request.url).searchParams;
  const since = query.get("since");
  const limit = query.get("limit");
  if (since !== null && Number.isNaN(Date.parse(since))) {
    const msg = "Input should be a valid datetime";
    return invalid({ type: "datetime_parsing", loc: ["query", "since"], msg, input: since });
  }
  if (limit !== null && !/^\d{1,9}$/.test(limit)) return invalidNumber("limit", limit);
  return Response.json(service.list(caller.userId, {
    status: query.get("status") ?? undefined,
    since: since === null ? undefined : wireTime(Date.parse(since)),
    q: query.get("q") ?? undefined,
    limit: limit === null ? undefined : Number(limit),
  }));
}

function invalidNumber(name: string, input: string): Response {
  const msg = "Input should be a valid integer, unable to parse string as an integer";
  return invalid({ type: "int_parsing", loc: ["query", name], msg, input });
}

/** What Pydantic takes for a boolean. */
const booleans: Readonly<Record<string, boolean>> = {
  ...{ true: true, "1": true, on: true, yes: true, t: true, y: true },
  ...{ false: false, "0": false, off: false, no: false, f: false, n: false },
};

export function follow({ request, service, world, job, caller }: OneJobRequest): Response {
  const asked = new URL(request.url).searchParams.get("from_beginning") ?? "false";
  const name = asked.toLowerCase();
  const fromBeginning = Object.hasOwn(booleans, name) ? booleans[name] : undefined;
  if (fromBeginning === undefined) {
    const msg = "Input should be a valid boolean, unable to interpret input";
    return invalid({ type: "bool_parsing", loc: ["query", "from_beginning"], msg, input: asked });
  }
  const lastId = /^\d{1,15}$/.exec(request.headers.get("last-event-id") ?? "")?.[0];
  const after = lastId !== undefined ? Number(lastId) : fromBeginning ? 0 : "now";
  const { signal } = request;
  return eventStream({ ...{ service, caller, after, signal }, clock: world.clock, id: job.job_id, isIdSaid: false });
}

/** What the job has said so far, or the end of it. */
export async function log({ request, service, job }: OneJobRequest): Promise<Response> {
  const tail = new URL(request.url).searchParams.get("tail");
  if (tail !== null && !/^\d{1,9}$/.test(tail)) return invalidNumber("tail", tail);
  const path = service.places.log(job.job_id);
  return new Response(await logSlice(path, tail === null ? undefined : Number(tail)), {
    headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  });
}

export async function cancel({ service, job }: OneJobRequest): Promise<Response> {
  const isCancelled = await service.cancel(job.job_id);
  return isCancelled ? Response.json(service.find(job.job_id) ?? job) : detail(409, "Job already completed");
}

export function results({ job }: OneJobRequest): Response {
  return job.results ? Response.json(job.results) : detail(404, "No results");
}

export function artifacts({ service, job }: OneJobRequest): Response {
  return Response.json(service.artifactsOf(job.job_id));
}

/** `name`: as it stands in the address, each part percent-encoded. */
export async function artifact({ service, job }: OneJobRequest, name: string): Promise<Response> {
  const path = service.artifactPath(job.job_id, decoded(name) ?? "");
  const file = path === undefined ? undefined : Bun.file(path);
  if (file === undefined || !await file.exists()) return detail(404, "Artifact not found");
  return new Response(file, {
    // What a job made is shown by no browser as a page of this server.
    headers: {
      "content-type": "application/octet-stream",
      "content-disposition": "attachment",
      "x-content-type-options": "nosniff",
    },
  });
}

function decoded(name: string): string | undefined {
  try {
    return name.split("/").map(decodeURIComponent).join("/");
  } catch {
    return undefined;
  }
}
