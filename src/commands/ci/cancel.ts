import { z } from "zod";
import { jobParam, openClient, serverParams } from "../../ci/client/command.ts";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "ci cancel",
  summary: "Stop a job that waits or runs",
  description: "Its processes end and its log stays. A job that is over already stays as it is.",
  effect: "write",
  examples: [{ command: "gpu ci cancel 7c1f", says: "the beginning of an id is enough" }],
  input: z.object({ job: jobParam, ...serverParams }),
  output: z.object({
    job_id: z.string().describe("id of the job"),
    status: z.string().describe("how it stands now: `cancelled`, or what it was already"),
    isCancelled: z.boolean().describe("whether this stopped it"),
  }),
  async run({ job, ...flags }, context) {
    const { isOver } = await import("../../ci/job.ts");
    await using open = await openClient(context, flags);
    const { client } = open;
    const before = await client.getJob(await client.resolveJob(job));
    const { job_id, status } = isOver(before) ? before : await client.cancelJob(before.job_id);
    return { job_id, status, isCancelled: !isOver(before) && status === "cancelled" };
  },
  view: ({ job_id, status, isCancelled }) =>
    isCancelled ? `job ${job_id} is cancelled` : { stderr: `job ${job_id} was over before: ${status}` },
});
