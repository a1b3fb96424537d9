import { z } from "zod";
import {
  CiEventOutput,
  exitOfEvent,
  jobParam,
  openClient,
  rawParam,
  serverParams,
  viewEvent,
} from "../../ci/client/command.ts";
import { StateChange } from "../../ci/client/state-change.ts";
import { defineStream } from "../../command.ts";

export default defineStream({
  name: "ci watch",
  summary: "Follow a job, or all of them, whatever happens on the way",
  description: "With an id: the job's log and its states, over any cut, restart or sleep, until it is over.\n" +
    "Without: all your jobs. On a terminal a living view (Up, Down, Enter for the log, c to cancel, q to leave), elsewhere\n" +
    "a line for each change, until Ctrl-C.",
  effect: "read",
  examples: [
    { command: "gpu ci watch", says: "all your jobs" },
    { command: "gpu ci watch 7c1f", says: "one, to its end" },
    { command: "gpu ci watch --json", says: "each change, for a program" },
  ],
  input: z.object({
    job: jobParam.optional(),
    all: z.boolean().default(false).describe("show the job's log from its first line"),
    raw: rawParam,
    ...serverParams,
  }),
  output: z.union([StateChange, CiEventOutput]),
  async *run({ job, all, raw, ...flags }, context) {
    const { watchJob, watchJobs } = await import("../../ci/client/watch.ts");
    await using open = await openClient(context, flags);
    const how = { client: open.client, context, flags, isRaw: raw };
    if (job !== undefined) {
      const jobId = await open.client.resolveJob(job);
      return yield* watchJob(jobId, { ...how, fromBeginning: all });
    }
    const { attached, world: { terminal } } = context;
    if (attached === undefined || !terminal.stdout.isTTY) return yield* watchJobs(how);
    const { watchOnScreen } = await import("../../ci/client/watch-screen.ts");
    yield* watchOnScreen(how);
  },
  exitCode: exitOfEvent,
  view(item) {
    if (item.type !== "state") return viewEvent(item);
    const { jobId, before, status, success, isFollowed } = item;
    const outcome = success === null ? "" : success ? " ✓" : " ✗";
    const line = `job ${jobId}: ${before === null ? "" : `${before} → `}${status}${outcome}`;
    return isFollowed ? { stderr: line } : line;
  },
});
