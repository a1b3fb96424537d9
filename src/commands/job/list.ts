import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { manyParams, selectionOf } from "../../hosts/params.ts";
import { Job, jobTable } from "../../jobs/job.ts";

export default defineCommand({
  name: "job list",
  summary: "List commands that go on by themselves",
  description:
    "Without a target those that were started here with `gpu exec --detach`, wherever they are; of a machine, all that it has.\n" +
    "A job that has ended is listed for a week.",
  effect: "read",
  examples: [
    { command: "gpu job list", says: "those that were started here" },
    { command: "gpu job list trainer", says: "all that are on one machine" },
    { command: "gpu job list --all --host lab", says: "on every instance, and on a host" },
  ],
  input: z.object({
    targets: z.array(z.string()).default([]).meta({
      positional: true,
      complete: "instance|host",
      description: "instances, hosts and groups",
    }),
    ...manyParams,
  }),
  output: z.array(Job),
  async run({ targets, ...input }, context) {
    const { listAt, listKept } = await import("../../jobs/list.ts");
    const { openJobs } = await import("../../exec/job-runner.ts");
    await using reach = openJobs(context, { share: "existing" });
    context.progress("asking the machines");
    const { host, hostsFile, all, tag } = input;
    const isAnywhere = targets.length + host.length + tag.length === 0 && hostsFile === undefined && !all;
    return isAnywhere ? await listKept(context, reach) : await listAt(context, selectionOf(input, targets), reach);
  },
  view: (jobs, options) => [
    jobTable(jobs, options, "there is no job; `gpu exec --detach -- …` starts one"),
    ...jobs.flatMap(({ id, reason }) => reason === null ? [] : [{ stderr: `${id}: ${reason}` }]),
  ],
});
