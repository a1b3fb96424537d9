import { z } from "zod";
import { defineStream } from "../../command.ts";
import { exitCodeOf, Job, jobLabel, stateText } from "../../jobs/job.ts";
import { placeOf, placeParams } from "../../jobs/place.ts";

export default defineStream({
  name: "job wait",
  summary: "Wait until jobs have ended",
  description:
    "Goes on through lost connections. The exit code is the job's own; of several 0 when all went well, else 1. 255: nobody\n" +
    "knows how it ended, 124: it still runs after `--timeout`.",
  effect: "read",
  examples: [
    { command: "gpu job wait train && gpu cp trainer:model.pt .", says: "what follows, once it went well" },
    { command: "gpu job wait j-3f9a1c j-81cc02 --timeout 2h", says: "for two of them, and not for ever" },
  ],
  input: z.object({
    jobs: z.array(z.string()).default([]).meta({
      positional: true,
      complete: "detached",
      description: "ids, unique beginnings of ids, or names; the last one when left out",
    }),
    timeout: z.string().optional().describe("give up after so long: `30s`, `2h`"),
    ...placeParams,
  }),
  output: Job,
  async *run({ jobs: words, timeout, ...place }, context) {
    const { durationMs } = await import("../../duration.ts");
    const { findJobs } = await import("../../jobs/find.ts");
    const { waitForJobs } = await import("../../jobs/wait.ts");
    const { openJobs } = await import("../../exec/job-runner.ts");
    const timeoutMs = timeout === undefined ? undefined : durationMs(timeout);
    await using reach = openJobs(context);
    const jobs = await findJobs(context, { words, place: placeOf(place) }, reach);
    context.progress(
      jobs.length === 1 ? `waiting for ${jobs[0]?.name ?? jobs[0]?.id}` : `waiting for ${jobs.length} jobs`,
    );
    yield* waitForJobs(context, jobs, { reach, timeoutMs });
  },
  exitCode: exitCodeOf,
  joinExitCodes: (codes) => codes.length === 1 ? codes[0] ?? 0 : codes.every((code) => code === 0) ? 0 : 1,
  view: (job) => {
    const { host, reason } = job;
    return { stderr: `${jobLabel(job)} on ${host}: ${stateText(job)}${reason === null ? "" : `: ${reason}`}` };
  },
});
