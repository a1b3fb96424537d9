import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { placeOf, placeParams } from "../../jobs/place.ts";

export default defineCommand({
  name: "job delete",
  summary: "Delete what jobs printed, on their machines",
  description:
    "Only of jobs that have ended. A week after its end this happens by itself when the next job starts there.",
  effect: "destroy",
  examples: [{ command: "gpu job delete train --yes", says: "without a question" }, {
    command: "gpu job delete j-3f9a1c --forget",
    says: "of a machine that is not there any more",
  }],
  input: z.object({
    jobs: z.array(z.string()).min(1).meta({
      positional: true,
      complete: "detached",
      description: "ids, unique beginnings of ids, or names",
    }),
    forget: z.boolean().default(false).describe("only forget them here: their machine does not answer any more"),
    ...placeParams,
  }),
  output: z.array(z.object({
    id: z.string().describe("its id"),
    name: z.string().nullable().describe("its name"),
    host: z.string().describe("machine it was on"),
  })),
  plan({ jobs, forget }) {
    const what = jobs.map((word) => `\`${word}\``).join(", ");
    if (forget) return Promise.resolve(undefined);
    return Promise.resolve({ action: `delete ${what}`, loss: `what ${jobs.length === 1 ? "it" : "they"} printed` });
  },
  async run({ jobs: words, forget, ...place }, context) {
    const { findJobs } = await import("../../jobs/find.ts");
    const { deleteJob, forgetJob } = await import("../../jobs/stop.ts");
    const { openJobs } = await import("../../exec/job-runner.ts");
    await using reach = openJobs(context);
    const jobs = await findJobs(context, { words, place: placeOf(place) }, reach);
    for (const job of jobs) await (forget ? forgetJob(context, job) : deleteJob(context, job, reach));
    return jobs.map(({ id, name, machine }) => ({ id, name, host: machine.name }));
  },
  view: (jobs) => jobs.map(({ id }) => `${id} is deleted`),
});
