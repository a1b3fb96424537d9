import { CiError } from "../../errors.ts";
import { noSuchJob } from "./failures.ts";
import type { Job } from "../job.ts";

/** A UUID; anything else is looked for in the list. */
export function isWholeId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/** The one of these jobs that has this id, or whose id alone begins so. */
export function meantJob(text: string, jobs: readonly Job[], server: string): string {
  const ids = jobs.map(({ job_id }) => job_id);
  if (ids.includes(text)) return text;
  const meant = text === "" ? [] : ids.filter((id) => id.startsWith(text));
  const [id, ...others] = meant;
  if (id === undefined) throw noSuchJob(text, server);
  if (others.length === 0) return id;
  const named = [...meant.slice(0, 3), ...(meant.length > 3 ? ["…"] : [])].join(", ");
  throw new CiError(`${meant.length} jobs begin with \`${text}\`: ${named}`, { hint: "type more of the id" });
}
