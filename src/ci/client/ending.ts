import { isPassing } from "../../http/errors.ts";
import { oneLine } from "../../safe-text.ts";
import { type CiEvent, endOf, type Feature, isOver, type Job } from "../job.ts";
import type { Place } from "./place.ts";

interface EndingOptions {
  readonly server: string;
  readonly has: (feature: Feature) => boolean;
  readonly getJob: (id: string) => Promise<Job>;
}

/** What the end of a stream means: the job's end, or what there is to wait for. */
export type Found = { readonly end: CiEvent } | {
  readonly waitingFor: string;
  /** The server said how the job stands, so it is neither away nor broken. */
  readonly isAnswered: boolean;
};

/** Finds out what the end of a stream means. */
export class Ending {
  readonly #jobId: string;
  readonly #options: EndingOptions;
  readonly #place: Place;
  #isDoubted = false;

  constructor(jobId: string, options: EndingOptions, place: Place) {
    this.#jobId = jobId;
    this.#options = options;
    this.#place = place;
  }

  /** After a `complete`. */
  async of(success: boolean): Promise<Found> {
    const { has } = this.#options;
    const isOurs = has("event-ids");
    if (success && !has("results")) return { end: { type: "complete", success } };
    const job = await this.#ask(isOurs);
    if (job === undefined) return { end: { type: "complete", success } };
    const results = job.results ? { results: job.results } : {};
    if (!isOver(job)) return this.#waiting(job);
    if (isOurs) return { end: { ...endOf(job), ...results } };
    // A plain server says `false` also of a job that still waits or whose end it has not noted yet.
    if (!this.#isDoubted && isDoubtful(job, this.#place)) return this.#waiting(job);
    return { end: { ...endOf(job), ...silence(job, this.#place) } };
  }

  /** After a stream that ended in order without a `complete`: a proxy closes idle ones, a plain server may forget it. */
  async unsaid({ hasNews }: { hasNews: boolean }): Promise<Found> {
    const { getJob, has, server } = this.#options;
    const waitingFor = `the connection to ${server} ended; connecting again`;
    // Our own server always says it, unless it is just going away.
    if (has("event-ids")) return { waitingFor, isAnswered: false };
    const job = await getJob(this.#jobId);
    if (!isOver(job) || hasNews || !this.#isDoubted) return this.#waiting(job);
    const reason = `${server} broke the log off, twice at the same place: its end may be missing`;
    return { end: { ...endOf(job), reason, ...silence(job, this.#place) } };
  }

  #waiting(job: Job): Found {
    this.#isDoubted = isOver(job);
    const waitingFor = isOver(job)
      ? "the job is over; reading the end of its log"
      : job.status === "running"
      ? "the job is running, though its log broke off; connecting again"
      : `the job is ${oneLine(job.status, 40)}; waiting for it to begin`;
    return { waitingFor, isAnswered: true };
  }

  /** Our own server means what it says: where it is just going away, its word is enough. */
  async #ask(isOurs: boolean): Promise<Job | undefined> {
    try {
      return await this.#options.getJob(this.#jobId);
    } catch (error) {
      if (isOurs && isPassing(error)) return undefined;
      throw error;
    }
  }
}

/** Whether a job ended between a plain server's false `complete` and the question for it, with lines yet unread. */
function isDoubtful(job: Job, place: Place): boolean {
  if (place.isOld) return false;
  return job.success === true || (place.lines === 0 && job.start_time !== null);
}

/** What a plain server leaves unsaid: a job that failed before it began has no log and no start. */
function silence(job: Job, place: Place): { reason?: string } {
  if (place.lines > 0 || job.success === true || job.start_time !== null) return {};
  return {
    reason:
      "the server could not set the project up and does not say why: it needs a valid zip with a `requirements.txt` " +
      "at its root that installs",
  };
}
