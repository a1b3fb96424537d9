import { CiError } from "../../errors.ts";
import { HttpError, isPassing } from "../../http/errors.ts";
import { jsonOf } from "../../http/json.ts";
import { readAnswer, request, type Target } from "../../http/request.ts";
import { backoffMs, maxAttempts } from "../../http/retry.ts";
import type { Explain } from "./failures.ts";
import { type Feature, isOver, Job, type SubmitFields } from "../job.ts";
import { Place } from "./place.ts";
import { uploadForm } from "./upload.ts";
import { type WireBatches, wireBatches } from "./wire.ts";

/** Makes the archive; called again when a submission is repeated. */
export type ZipSource = () => ReadableStream<Uint8Array>;

interface SubmissionOptions {
  readonly target: Target;
  readonly server: string;
  readonly has: (feature: Feature) => boolean;
  readonly listJobs: () => Promise<Job[]>;
  readonly explained: Explain;
}

/** How long an upload or its answer may stand still. */
const uploadQuietMs = 300_000;

/** Submits a project and returns its job's id. */
export async function submitAsync(zip: ZipSource, fields: SubmitFields, options: SubmissionOptions): Promise<string> {
  const { target, server } = options;
  return await submit("/submit-async", { zip, fields }, options, async (response) => {
    const text = await readAnswer(target, response, { url: new URL(server), quietMs: uploadQuietMs });
    return Job.pick({ job_id: true }).safeParse(jsonOf(text)).data?.job_id;
  });
}

/** A submission whose answer is its job's log. */
export interface Followed {
  readonly jobId: string;
  readonly place: Place;
  readonly events: WireBatches;
}

/** Submits a project and reads as far as its job's id. */
export async function submitFollowed(
  zip: ZipSource,
  fields: SubmitFields,
  options: SubmissionOptions,
): Promise<Followed> {
  const { target, has } = options;
  return await submit("/submit-stream", { zip, fields }, options, async (response) => {
    const place = new Place();
    place.begin({ resumes: false });
    const events = wireBatches(response, { target, has, onId: (id) => void (place.id = id) });
    for (let next = await events.next(); !next.done; next = await events.next()) {
      const [first, ...others] = next.value;
      if (first === undefined) continue;
      if (first.event.type !== "job_id") break;
      return { jobId: first.event.job_id, place, events: startingWith(others, events) };
    }
    await events.return(undefined);
    return undefined;
  });
}

async function* startingWith<T>(first: T, others: AsyncGenerator<T>): AsyncGenerator<T> {
  yield first;
  yield* others;
}

/** Sends a project once; again only to a server that knows the same submission when it sees it. */
async function submit<T>(
  path: string,
  { zip, fields }: { zip: ZipSource; fields: SubmitFields },
  options: SubmissionOptions,
  read: (response: Response) => Promise<T | undefined>,
): Promise<T> {
  const { target, has, explained } = options;
  const { world, signal } = target;
  const key = Buffer.from(world.random(16)).toString("hex");
  const begunMs = world.clock.now();
  const attempts = has("idempotency-key") ? maxAttempts : 1;
  for (let attempt = 1;; attempt++) {
    let trouble: CiError | undefined;
    try {
      const boundary = `gpu-${Buffer.from(world.random(16)).toString("hex")}`;
      const response = await request(target, {
        method: "POST",
        path,
        headers: {
          "content-type": `multipart/form-data; boundary=${boundary}`,
          ...(has("idempotency-key") ? { "idempotency-key": key } : {}),
        },
        body: () => uploadForm(zip(), { ...fields, boundary }),
        timeoutMs: uploadQuietMs,
      });
      const answer = await read(response);
      if (answer !== undefined) return answer;
    } catch (error) {
      signal?.throwIfAborted();
      const said = await explained(error);
      if (!(error instanceof HttpError) || !(said instanceof CiError)) throw said;
      const isFinal = attempt >= attempts || !isPassing(error);
      if (isFinal && !mayHaveArrived(error)) throw said;
      trouble = said;
    }
    if (attempt >= attempts) return await lost(trouble, begunMs, options);
    await world.clock.sleep(backoffMs(world, attempt), signal);
  }
}

/** Whether a job may have been made though no answer says so. */
function mayHaveArrived(error: HttpError): boolean {
  if (error.reason === "cut" || error.reason === "timeout" || error.reason === "shape") return true;
  // 507: the server says that it could not keep the upload.
  return (error.reason === "status" || error.reason === "html") && (error.status ?? 0) >= 500 && error.status !== 507;
}

/** The answer to a submission was lost: a job may have been made. It is never sent again blindly. */
async function lost(cause: CiError | undefined, begunMs: number, options: SubmissionOptions): Promise<never> {
  const { server, listJobs } = options;
  const why = cause?.message ?? `the CI server at ${server} broke off before it named the job`;
  // Clocks differ a little between computers.
  const jobs = await listJobs().catch(() => undefined);
  const likely = jobs?.filter((job) =>
    job.start_time === null ? !isOver(job) : Date.parse(job.start_time) >= begunMs - 5_000
  );
  const named = likely?.slice(0, 3).map((job) => `\`${job.job_id}\` (${job.status})`).join(", ");
  throw new CiError(`${why}; it is not certain whether a job was made`, {
    status: cause?.status,
    cause,
    hint: jobs === undefined
      ? "look at `gpu ci list` before you submit again"
      : named
      ? `this looks like it: ${named}; \`gpu ci wait <id> --all\` follows it`
      : "no job looks like it, so you can submit again",
  });
}
