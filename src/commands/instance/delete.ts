import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { planStop, stopParams, Stopped, stopTargets, viewStopped } from "../../instance/stop.ts";

export default defineCommand({
  name: "instance delete",
  summary: "Stop instances and end their billing, as `gpu stop`",
  effect: "destroy",
  examples: [{ command: "gpu instance delete trainer --yes", says: "without a question" }],
  input: z.object(stopParams),
  output: z.array(Stopped),
  async plan(input, context) {
    const { describeJobs } = await import("../../exec/job-runner.ts");
    return await planStop(input, context, describeJobs);
  },
  run: stopTargets,
  view: viewStopped,
});
