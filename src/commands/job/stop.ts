import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Job, jobLabel, stateText } from "../../jobs/job.ts";
import { placeOf, placeParams } from "../../jobs/place.ts";

export default defineCommand({
  name: "job stop",
  summary: "End jobs, with all that they started",
  description: "The signal goes to the command and its children. What has not ended by the end of `--grace` is killed.",
  effect: "write",
  examples: [
    { command: "gpu job stop train", says: "by its name" },
    { command: "gpu job stop j-3f9a1c --signal INT --grace 5m", says: "as Ctrl-C would, with time to save" },
  ],
  input: z.object({
    jobs: z.array(z.string()).min(1).meta({
      positional: true,
      complete: "detached",
      description: "ids, unique beginnings of ids, or names",
    }),
    signal: z.string().default("TERM").describe("signal that is sent first"),
    grace: z.string().default("10s").describe("time that it has to end by itself"),
    ...placeParams,
  }),
  output: z.array(Job),
  async run({ jobs: words, signal, grace, ...place }, context) {
    const { durationMs } = await import("../../duration.ts");
    const { findJobs } = await import("../../jobs/find.ts");
    const { parseSignal, stopJob } = await import("../../jobs/stop.ts");
    const { openJobs } = await import("../../exec/job-runner.ts");
    const order = { signal: parseSignal(signal), graceSeconds: durationMs(grace) / 1000 };
    await using reach = openJobs(context);
    const jobs = await findJobs(context, { words, place: placeOf(place) }, reach);
    return await Promise.all(jobs.map((job) => stopJob(context, job, { ...order, reach })));
  },
  view: (jobs) => jobs.map((job) => `${jobLabel(job)} on ${job.host}: ${stateText(job)}`),
});
