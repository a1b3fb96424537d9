import { z } from "zod";
import { defineCommand } from "../command.ts";
import { planStop, stopParams, Stopped, stopTargets, viewStopped } from "../instance/stop.ts";

export default defineCommand({
  name: "stop",
  summary: "Stop instances and end their billing",
  description: "Its disk and everything on it are gone afterwards. An instance that is already gone is no error.",
  effect: "destroy",
  examples: [
    { command: "gpu stop", says: "the only instance there is" },
    { command: "gpu stop i-3f9a1c20 trainer", says: "these two" },
    { command: "gpu stop --all --yes", says: "everything this computer rented, without a question" },
  ],
  input: z.object(stopParams),
  output: z.array(Stopped),
  async plan(input, context) {
    const { describeJobs } = await import("../exec/job-runner.ts");
    return await planStop(input, context, describeJobs);
  },
  run: stopTargets,
  view: viewStopped,
});
