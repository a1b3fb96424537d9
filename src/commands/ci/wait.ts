import { z } from "zod";
import {
  CiEventOutput,
  exitOfEvent,
  followed,
  jobParam,
  openClient,
  rawParam,
  serverParams,
  viewEvent,
} from "../../ci/client/command.ts";
import { defineStream } from "../../command.ts";

export default defineStream({
  name: "ci wait",
  summary: "Follow a job until its tests have passed or failed",
  description: "Shows what is new; Ctrl-C stops the waiting, not the job.",
  effect: "read",
  examples: [
    { command: "gpu ci wait 7c1f", says: "what comes from now on; the beginning of an id is enough" },
    { command: "gpu ci wait 7c1f0b1e-9a51-4c0a-9a5f-2b8e4f5d6a70 --all", says: "its log from the first line on" },
  ],
  input: z.object({
    job: jobParam,
    all: z.boolean().default(false).describe("show the log from its first line"),
    raw: rawParam,
    ...serverParams,
  }),
  output: CiEventOutput,
  async *run({ job, all, raw, ...flags }, context) {
    await using open = await openClient(context, flags);
    const jobId = await open.client.resolveJob(job);
    const lots = open.client.followInLots(jobId, { fromBeginning: all });
    yield* followed(lots, context, { flags, isRaw: raw, jobId });
  },
  exitCode: exitOfEvent,
  view: viewEvent,
});
