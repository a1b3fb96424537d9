import { z } from "zod";
import { openClient, serverParams } from "../../ci/command.ts";
import { Job } from "../../ci/job.ts";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "ci list",
  summary: "List your jobs",
  effect: "read",
  examples: [{ command: "gpu ci list --json", says: "for a program" }],
  input: z.object(serverParams),
  output: z.array(Job),
  async run(flags, context) {
    await using open = await openClient(context, flags);
    return await open.client.listJobs();
  },
  view: (jobs) => ({
    columns: ["job id", "status", "start time", "end time", "success"],
    rows: jobs.map(({ job_id, status, start_time, end_time, success }) => [
      job_id,
      status,
      timeText(start_time),
      timeText(end_time),
      success === null ? "-" : success ? "✓" : "✗",
    ]),
    empty: "No jobs found.",
  }),
});

/** `2026-11-21T03:35:02.919541Z` as people write it. */
function timeText(time: string | null): string {
  return time === null ? "-" : time.slice(0, 19).replace("T", " ");
}
