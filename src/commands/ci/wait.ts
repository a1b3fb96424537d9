import { z } from "zod";
import { CiEventOutput, exitOfEvent, followed, openClient, serverParams, viewEvent } from "../../ci/command.ts";
import { defineStream } from "../../command.ts";

export default defineStream({
  name: "ci wait",
  summary: "Follow a job until its tests have passed or failed",
  description: "Shows what is new; Ctrl-C stops the waiting, not the job.",
  effect: "read",
  examples: [{
    command: "gpu ci wait 7c1f0b1e-9a51-4c0a-9a5f-2b8e4f5d6a70 --all",
    says: "its log from the first line on",
  }],
  input: z.object({
    job: z.string().meta({ positional: true, complete: "job", description: "id of the job" }),
    all: z.boolean().default(false).describe("show the log from its first line"),
    ...serverParams,
  }),
  output: CiEventOutput,
  async *run({ job, all, ...flags }, context) {
    await using open = await openClient(context, flags);
    yield* followed(open.client.streamJob(job, { fromBeginning: all }), context, job);
  },
  exitCode: exitOfEvent,
  view: viewEvent,
});
