import type { Context } from "../command.ts";
import { Reach } from "../jobs/reach.ts";
import { Gate } from "./pool.ts";
import { openRunner, type RunnerOptions } from "./runner.ts";

/** So many log in at once, however many machines have jobs. */
const mostLogins = 64;

/** The machines of jobs, over connections that other commands left open, or leave one open for them. */
export function openJobs(context: Context, { share = true }: { share?: RunnerOptions["share"] } = {}): Reach {
  const logins = new Gate(mostLogins);
  return new Reach(context, (target, signal) => logins.pass(() => openRunner(context, target, { share, signal })));
}

/** Says which jobs still run on the instances with these launch tokens, where any do. */
export async function describeJobs(context: Context, tokens: readonly string[]): Promise<string> {
  const { runningJobs } = await import("../jobs/running.ts");
  const { jobLabel } = await import("../jobs/job.ts");
  await using reach = openJobs(context);
  const jobs = await runningJobs(context, { tokens, reach });
  if (jobs.length === 0) return "";
  return `, with ${jobs.length === 1 ? "1 job" : `${jobs.length} jobs`}: ${jobs.map(jobLabel).join(", ")}`;
}
