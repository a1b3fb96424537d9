import { z } from "zod";
import { CiError } from "../errors.ts";
import { HttpError } from "../http/errors.ts";
import { jsonOf } from "../http/json.ts";
import { readAnswer, request, requestJson, type RequestOptions, type Target } from "../http/request.ts";
import { backoffMs, maxAttempts } from "../http/retry.ts";
import type { World } from "../world.ts";
import { ciError, keyMissing } from "./failures.ts";
import { followJob } from "./follow.ts";
import { type CiEvent, type Feature, Health, isOver, Job, type JobFilter } from "./job.ts";
import { uploadForm } from "./upload.ts";
import { wireEvents } from "./wire.ts";

export interface CiClientOptions {
  readonly world: Pick<World, "fetch" | "clock" | "random">;
  readonly server: string;
  readonly apiKey: string | undefined;
  readonly signal?: AbortSignal;
}

/** Makes the archive; called again when a submission is repeated. */
export type ZipSource = () => ReadableStream<Uint8Array>;

export interface SubmitOptions {
  /** Arguments for the test line; only our own server takes them. */
  readonly args?: readonly string[];
}

/** A client of one CI server: an existing one or our own, which it finds out by itself. */
export type CiClient = ReturnType<typeof ciClient>;

/** How long an upload or its answer may stand still. */
const uploadQuietMs = 300_000;

export function ciClient({ world, server, apiKey, signal }: CiClientOptions) {
  const target: Target = { world, service: "the CI server", baseUrl: server, bearer: apiKey, signal };
  let known: Promise<Health> | undefined;

  const health = () =>
    known ??= askHealth({ ...target, bearer: undefined }).catch((error) => {
      known = undefined;
      throw ciError(error, { server });
    });
  const features = async () => {
    const { server: kind, features } = await health();
    return (feature: Feature) => kind === "gpu" && features.includes(feature);
  };
  const getJob = (jobId: string): Promise<Job> =>
    authenticated(() => requestJson(target, { path: jobPath(jobId), schema: Job }), jobId);

  const listJobs = async ({ status, since, q, limit }: JobFilter = {}): Promise<Job[]> => {
    const query = { status, since, q, limit: limit?.toString() };
    const jobs = await authenticated(() => requestJson(target, { path: "/jobs", query, schema: z.array(Job) }));
    // A plain server knows no filter and gives them all.
    return jobs.filter((job) =>
      (status === undefined || job.status === status) &&
      (since === undefined || job.start_time === null || Date.parse(job.start_time) >= Date.parse(since)) &&
      (q === undefined || job.job_id.includes(q) || job.status.includes(q))
    ).slice(0, limit);
  };

  async function* submitStreaming(zip: ZipSource, options: SubmitOptions = {}): AsyncGenerator<CiEvent> {
    const has = await authenticated(features);
    const begunMs = world.clock.now();
    const response = await submit("/submit-stream", zip, options);
    const place: { id: string | undefined } = { id: undefined };
    const events = wireEvents(response, { target, has, place });
    const first = await inWords(() => events.next()).catch((error) => lost(error, begunMs));
    if (first.done || first.value.event.type !== "job_id") return await lost(undefined, begunMs);
    const jobId = first.value.event.job_id;
    yield { type: "job_id", jobId };
    yield* followJob(jobId, { target, server, has, getJob }, { fromBeginning: true, first: events });
  }

  const submitAsync = async (zip: ZipSource, options: SubmitOptions = {}): Promise<string> => {
    await authenticated(features);
    const begunMs = world.clock.now();
    const response = await submit("/submit-async", zip, options);
    const url = new URL(server);
    const text = await readAnswer(target, response, { url, quietMs: uploadQuietMs }).catch(() => "");
    const parsed = Job.pick({ job_id: true }).safeParse(jsonOf(text));
    return parsed.success ? parsed.data.job_id : await lost(undefined, begunMs);
  };

  async function* streamJob(jobId: string, { fromBeginning = false } = {}): AsyncGenerator<CiEvent> {
    const has = await authenticated(features);
    yield* followJob(jobId, { target, server, has, getJob }, { fromBeginning });
  }

  const cancelJob = async (jobId: string): Promise<Job> => {
    const has = await authenticated(features);
    if (!has("cancel")) {
      throw new CiError(`the CI server at ${server} cannot cancel a job`, {
        hint: "only the CI servers of rented machines can",
      });
    }
    const options: RequestOptions = { method: "POST", path: `${jobPath(jobId)}/cancel`, isRepeatable: true };
    return await authenticated(() => requestJson(target, { ...options, schema: Job }), jobId).catch((error) => {
      if (error instanceof CiError && error.status === 409) return getJob(jobId);
      throw error;
    });
  };

  /** Sends a project once; again only to a server that knows the same submission when it sees it. */
  async function submit(path: string, zip: ZipSource, { args = [] }: SubmitOptions): Promise<Response> {
    const has = await features();
    if (args.length > 0 && !has("args")) {
      throw new CiError(`the CI server at ${server} takes no arguments for the tests`, {
        hint: "leave out what follows `--`, or submit to a rented machine",
      });
    }
    const key = Buffer.from(world.random(16)).toString("hex");
    const begunMs = world.clock.now();
    const attempts = has("idempotency-key") ? maxAttempts : 1;
    for (let attempt = 1;; attempt++) {
      const boundary = `gpu-${Buffer.from(world.random(16)).toString("hex")}`;
      try {
        return await request(target, {
          method: "POST",
          path,
          headers: {
            "content-type": `multipart/form-data; boundary=${boundary}`,
            ...(has("idempotency-key") ? { "idempotency-key": key } : {}),
          },
          body: () => uploadForm(zip(), { args, boundary }),
          timeoutMs: uploadQuietMs,
        });
      } catch (error) {
        if (!(error instanceof HttpError)) throw error;
        const isUnsure = error.reason === "cut" || error.reason === "timeout" || (error.status ?? 0) >= 500;
        if (!isUnsure || error.status === 507) throw ciError(error, { server });
        if (attempt >= attempts) return await lost(ciError(error, { server }), begunMs);
        await world.clock.sleep(backoffMs(world, attempt), signal);
      }
    }
  }

  /** The answer to a submission was lost: a job may have been made. It is never sent again blindly. */
  async function lost(cause: unknown, begunMs: number): Promise<never> {
    signal?.throwIfAborted();
    const why = cause instanceof Error ? cause.message : `the CI server at ${server} broke off before it named the job`;
    // Clocks differ a little between computers.
    const jobs = await listJobs().catch(() => undefined);
    const likely = jobs?.filter((job) =>
      job.start_time === null ? !isOver(job) : Date.parse(job.start_time) >= begunMs - 5_000
    );
    const named = likely?.slice(0, 3).map((job) => `\`${job.job_id}\` (${job.status})`).join(", ");
    throw new CiError(`${why}; it is not certain whether a job was made`, {
      status: cause instanceof CiError ? cause.status : undefined,
      cause,
      hint: jobs === undefined
        ? "look at `gpu ci list` before you submit again"
        : named
        ? `this looks like it: ${named}; \`gpu ci wait <id> --all\` follows it`
        : "no job looks like it, so you can submit again",
    });
  }

  async function inWords<T>(ask: () => Promise<T>, jobId?: string): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw ciError(error, { server, jobId });
    }
  }

  function authenticated<T>(ask: () => Promise<T>, jobId?: string): Promise<T> {
    if (!apiKey) return Promise.reject(keyMissing());
    return inWords(ask, jobId);
  }

  return { submitStreaming, submitAsync, streamJob, listJobs, getJob, cancelJob, health };
}

/** A server that knows no such path, or keeps it for itself, is a plain one. */
async function askHealth(target: Target): Promise<Health> {
  try {
    return await requestJson(target, { path: "/health", schema: Health });
  } catch (error) {
    const isPlain = error instanceof HttpError && error.reason === "status" &&
      [401, 403, 404, 405].includes(error.status ?? 0);
    if (isPlain) return { status: "unknown", features: [] };
    throw error;
  }
}

function jobPath(jobId: string): string {
  return `/jobs/${encodeURIComponent(jobId)}`;
}
