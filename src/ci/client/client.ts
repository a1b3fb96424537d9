import { z } from "zod";
import { CiError } from "../../errors.ts";
import { HttpError } from "../../http/errors.ts";
import { readAnswer, request, requestJson, type RequestOptions, type Target } from "../../http/request.ts";
import { type Administration, ciError, type Explain, keyMissing } from "./failures.ts";
import { followJob } from "./follow.ts";
import { Artifact, type CiEvent, type Feature, type Health, Job, type JobFilter, type SubmitFields } from "../job.ts";
import { askHealth } from "./health.ts";
import { isWanted, serverFilter } from "./job-filter.ts";
import { type KeyAge, watchingKeyAge } from "./key-age.ts";
import { countLines } from "./line-count.ts";
import { isWholeId, meantJob } from "./resolve-job.ts";
import { submitAsync, submitFollowed, type ZipSource } from "./submission.ts";

export type { ZipSource };

export interface CiClientOptions {
  readonly world: Target["world"];
  readonly server: string;
  readonly apiKey: string | undefined;
  /** Where the key was found, for the message that it is not accepted. */
  readonly keyFrom?: string;
  readonly signal?: AbortSignal;
  /** Says why a job's log does not come and is asked for again; `undefined`: it comes. */
  readonly onTrouble?: (why: string | undefined) => void;
  /** What the server says of the key's age, at most once. */
  readonly onKeyAge?: (age: KeyAge) => void;
}

export interface FollowHow {
  readonly fromBeginning?: boolean;
  /** How long the server may be away, in milliseconds; `Infinity`: for ever. */
  readonly patienceMs?: number;
}

/** Events in the lots in which they come. */
export type CiEventLots = AsyncGenerator<readonly CiEvent[]>;

/** A client of one CI server: an existing one or our own, which it finds out by itself. */
export type CiClient = ReturnType<typeof ciClient>;

export function ciClient(options: CiClientOptions) {
  const { server, apiKey, keyFrom, signal, onTrouble } = options;
  const target: Target = {
    world: watchingKeyAge(options),
    service: "the CI server",
    baseUrl: server,
    bearer: apiKey,
    signal,
    // Where an answer points elsewhere, neither key nor project goes there.
    redirect: "manual",
  };
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
  const administration = async (): Promise<Administration> => {
    const answer = await health().catch(() => undefined);
    return answer && (answer.server === "gpu" ? "gpu ci" : "ci-admin");
  };
  const explained: Explain = async (error, jobId) => {
    const isRefused = error instanceof HttpError && (error.status === 401 || error.status === 403);
    return ciError(error, { server, jobId, keyFrom, by: isRefused ? await administration() : undefined });
  };
  const authenticated = async <T>(ask: () => Promise<T>, jobId?: string): Promise<T> => {
    // A server of this computer alone may ask for none.
    if (!apiKey && !await features().then((has) => has("open"), () => false)) throw keyMissing(await administration());
    try {
      return await ask();
    } catch (error) {
      throw await explained(error, jobId);
    }
  };
  const getJob = (jobId: string): Promise<Job> =>
    authenticated(() => requestJson(target, { path: jobPath(jobId), schema: Job }), jobId);

  const listJobs = async (filter: JobFilter = {}): Promise<Job[]> => {
    const query = serverFilter(filter);
    const jobs = await authenticated(() => requestJson(target, { path: "/jobs", query, schema: z.array(Job) }));
    // A plain server knows no filter and gives them all.
    return jobs.filter((job) => isWanted(job, filter)).slice(0, filter.limit);
  };

  /** The job of an id, or of the beginning of one that no other job has. */
  const resolveJob = async (text: string): Promise<string> =>
    isWholeId(text) ? text : meantJob(text, await listJobs(), server);

  /** What goes with a project, for the server there is: what would change the tests is refused, a name is not missed. */
  const checkedFields = async (fields: SubmitFields) => {
    const has = await features();
    if ((fields.args?.length ?? 0) > 0 && !has("args")) {
      throw new CiError(`the CI server at ${server} takes no arguments for the tests`, {
        hint: "leave out what follows `--`, or submit to a rented machine",
      });
    }
    if (Object.keys(fields.env ?? {}).length > 0 && !has("env")) {
      throw new CiError(`the CI server at ${server} takes no variables for the tests, so they would run without them`, {
        hint: "leave out `--env-file`, or submit to a rented machine",
      });
    }
    return has("names") ? fields : { ...fields, name: undefined, tags: undefined };
  };

  const submissionOptions = async () => ({ target, server, has: await features(), listJobs, explained });
  const followOptions = async () => ({ target, server, has: await features(), getJob, onTrouble, explained });

  async function* submitInLots(zip: ZipSource, fields: SubmitFields = {}): CiEventLots {
    const checked = await authenticated(() => checkedFields(fields));
    const { jobId, ...first } = await authenticated(async () =>
      submitFollowed(zip, checked, await submissionOptions())
    );
    yield [{ type: "job_id", jobId }];
    yield* followJob(jobId, await followOptions(), { fromBeginning: true, first });
  }

  async function* followInLots(jobId: string, { fromBeginning = false, patienceMs }: FollowHow = {}): CiEventLots {
    yield* followJob(jobId, await authenticated(followOptions), { fromBeginning, patienceMs });
  }

  const cancelJob = async (jobId: string): Promise<Job> => {
    const has = await authenticated(features);
    if (!has("cancel")) {
      throw new CiError(`the CI server at ${server} cannot cancel a job`, {
        hint: "only `gpu ci serve` and the CI servers of rented machines can",
      });
    }
    const how: RequestOptions = { method: "POST", path: `${jobPath(jobId)}/cancel`, isRepeatable: true };
    return await authenticated(() => requestJson(target, { ...how, schema: Job }), jobId).catch((error) => {
      if (error instanceof CiError && error.status === 409) return getJob(jobId);
      throw error;
    });
  };

  const needArtifacts = async () => {
    if ((await features())("artifacts")) return;
    throw new CiError(`the CI server at ${server} keeps no artifacts`, {
      hint: "only `gpu ci serve` and the CI servers of rented machines do",
    });
  };

  /** How many lines a job has said by now; undefined where a server does not tell. */
  const lineCount = async (jobId: string): Promise<number | undefined> => {
    const has = await authenticated(features);
    if (!has("event-ids") || !has("forward-only")) return undefined;
    return await authenticated(() => countLines(target, `${jobPath(jobId)}/stream`), jobId);
  };

  /** The last lines of what a job has said by now; undefined where a server does not give them alone. */
  const logTail = async (jobId: string, lines: number): Promise<string | undefined> => {
    const has = await authenticated(features);
    if (!has("log")) return undefined;
    return await authenticated(async () => {
      const response = await request(target, { path: `${jobPath(jobId)}/log`, query: { tail: String(lines) } });
      return await readAnswer(target, response, { url: new URL(server) });
    }, jobId);
  };

  return {
    server,
    lineCount,
    logTail,
    health,
    features,
    resolveJob,
    getJob,
    listJobs,
    cancelJob,
    submitInLots,
    followInLots,
    submitStreaming: (zip: ZipSource, fields?: SubmitFields) => eachOf(submitInLots(zip, fields)),
    streamJob: (jobId: string, how?: FollowHow) => eachOf(followInLots(jobId, how)),
    submitAsync: async (zip: ZipSource, fields: SubmitFields = {}): Promise<string> => {
      const checked = await authenticated(() => checkedFields(fields));
      return await authenticated(async () => submitAsync(zip, checked, await submissionOptions()));
    },
    /** The files that a job left. */
    listArtifacts: (jobId: string): Promise<Artifact[]> =>
      authenticated(async () => {
        await needArtifacts();
        return await requestJson(target, { path: `${jobPath(jobId)}/artifacts`, schema: z.array(Artifact) });
      }, jobId),
    /** The bytes of one of them; the answer's body is unread. */
    openArtifact: (jobId: string, name: string): Promise<Response> => {
      const path = name.split("/").map(encodeURIComponent).join("/");
      return authenticated(() => request(target, { path: `${jobPath(jobId)}/artifacts/${path}` }), jobId);
    },
  };
}

async function* eachOf<T>(lots: AsyncGenerator<readonly T[]>): AsyncGenerator<T> {
  for await (const lot of lots) yield* lot;
}

function jobPath(jobId: string): string {
  return `/jobs/${encodeURIComponent(jobId)}`;
}
