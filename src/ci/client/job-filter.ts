import type { Job, JobFilter } from "../job.ts";

/**
 * What people call an outcome. A plain server writes `completed` for both (its `failed` is overwritten at once), so
 * these are found out here.
 */
const outcomes: Readonly<Record<string, (job: Job) => boolean>> = {
  passed: ({ success }) => success === true,
  failed: ({ status, success }) => status === "failed" || (status === "completed" && success === false),
};

/** What of a filter a server can apply without leaving out a job that is wanted. */
export function serverFilter({ status, since, q, limit }: JobFilter): Readonly<Record<string, string | undefined>> {
  const isOutcome = status !== undefined && Object.hasOwn(outcomes, status);
  return { status: isOutcome ? undefined : status, since, q, limit: isOutcome ? undefined : limit?.toString() };
}

/** Whether a job is one of those that are asked for; one that has not begun is newer than any time. */
export function isWanted(job: Job, { status, since, q }: JobFilter): boolean {
  const { job_id, start_time, name, tags = [] } = job;
  const isStatus = status === undefined || (outcomes[status]?.(job) ?? job.status === status);
  const isSince = since === undefined || start_time === null || Date.parse(start_time) >= Date.parse(since);
  const texts = [job_id, job.status, name ?? "", ...tags].map((text) => text.toLowerCase());
  return isStatus && isSince && (q === undefined || texts.some((text) => text.includes(q.toLowerCase())));
}
