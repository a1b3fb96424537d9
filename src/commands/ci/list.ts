import { z } from "zod";
import { openClient, serverParams } from "../../ci/client/command.ts";
import { askedStates, countsText, Job } from "../../ci/job.ts";
import { defineCommand, type View, type ViewOptions } from "../../command.ts";
import { paint } from "../../paint.ts";

export default defineCommand({
  name: "ci list",
  summary: "List your jobs",
  description:
    "The newest first; times are UTC. `passed` and `failed` are what came of jobs that are over; a job that was `lost` ended\n" +
    "without a word.",
  effect: "read",
  examples: [
    { command: "gpu ci list --status running", says: "what runs now" },
    { command: "gpu ci list --status failed --since 2h", says: "what failed lately" },
    { command: "gpu ci list nightly --limit 5", says: "the last five with this text in id, status, name or tag" },
    { command: "gpu ci list --json", says: "for a program" },
  ],
  input: z.object({
    text: z.string().optional().meta({
      positional: true,
      description: "only jobs with this text in their id, status, name or tags",
    }),
    status: z.enum(askedStates).optional().describe("only jobs in this state"),
    since: z.string().optional().meta({
      placeholder: "when",
      description: "only jobs that began since then, or have not begun: a span like `2h`, or a date or time",
    }),
    limit: z.number().int().positive().optional().meta({ short: "n", description: "at most so many, the first ones" }),
    allFields: z.boolean().default(false).describe("also name, tags, test counts and what else the server says"),
    ...serverParams,
  }),
  output: z.array(Job),
  async run({ text, status, since, limit, allFields, ...flags }, context) {
    const { timeOf } = await import("../../duration.ts");
    const from = since === undefined ? undefined : new Date(timeOf(since, context.world.clock.now())).toISOString();
    await using open = await openClient(context, flags);
    const jobs = await open.client.listJobs({ q: text, status, since: from, limit });
    if (allFields) return jobs;
    // Programs rely on exactly these.
    return jobs.map(({ job_id, status, success, start_time, end_time }) => ({
      job_id,
      status,
      success,
      start_time,
      end_time,
    }));
  },
  view: (jobs, options) => {
    const isAll = jobs.some(({ name, tags, results, created_at }) => name ?? tags ?? results ?? created_at);
    return {
      columns: ["job id", "status", "start time", "end time", "success", ...(isAll ? ["name", "tags", "tests"] : [])],
      rows: jobs.map((job) => [
        job.job_id,
        job.status,
        timeText(job.start_time),
        timeText(job.end_time),
        successText(job.success, options),
        ...(isAll ? [job.name ?? "-", job.tags?.join(", ") || "-", job.results ? countsText(job.results) : "-"] : []),
      ]),
      narrow: [{ column: "tests" }, { column: "tags" }, { column: "name", min: 8 }, { column: "end time" }],
      empty: "No jobs found.",
    } satisfies View;
  },
});

function successText(success: boolean | null, { isTTY, isColored = false }: ViewOptions): string {
  if (success === null) return "-";
  return success ? paint("green", "✓", isTTY && isColored) : paint("red", "✗", isTTY && isColored);
}

/** `2026-11-21T03:35:02.919541Z` as people write it. */
function timeText(time: string | null): string {
  return time === null ? "-" : time.slice(0, 19).replace("T", " ");
}
