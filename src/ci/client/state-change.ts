import { z } from "zod";
import type { Job } from "../job.ts";

/** A job whose state is another one than it was. */
export const StateChange = z.object({
  type: z.literal("state").describe("a job's state is another one, or is seen first"),
  jobId: z.string().describe("id of the job"),
  status: z.string().describe("its state now"),
  before: z.string().nullable().describe("its state before; `null` where it is seen first"),
  success: z.boolean().nullable().describe("whether its tests passed; `null` where that is not known"),
  isFollowed: z.boolean().describe("whether the job's log comes beside it"),
});
export type StateChange = z.infer<typeof StateChange>;

/** What is known of jobs, to tell what changed. */
export class KnownStates {
  readonly #known = new Map<string, Job>();
  readonly #isFollowed: boolean;

  constructor({ isFollowed }: { isFollowed: boolean }) {
    this.#isFollowed = isFollowed;
  }

  /** Whether nothing was looked at yet. */
  get isEmpty(): boolean {
    return this.#known.size === 0;
  }

  /** What is different from the last time; undefined where nothing is. */
  look(job: Job): StateChange | undefined {
    const { job_id: jobId, status, success } = job;
    const before = this.#known.get(jobId);
    this.#known.set(jobId, job);
    if (before !== undefined && before.status === status && before.success === success) return undefined;
    return { type: "state", jobId, status, before: before?.status ?? null, success, isFollowed: this.#isFollowed };
  }
}
