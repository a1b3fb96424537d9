import { z } from "zod";
import { defineStream } from "../../command.ts";
import { JobLine } from "../../jobs/lines.ts";
import { placeOf, placeParams } from "../../jobs/place.ts";

export default defineStream({
  name: "job log",
  summary: "Show what a job printed, and follow it",
  description:
    "Its stdout goes to stdout, its stderr to stderr. Following goes on through lost connections, with nothing lost and nothing\n" +
    "twice, until the job has ended. Ctrl-C only ends the following: the job goes on, and `--new` goes on from there.",
  effect: "read",
  examples: [
    { command: "gpu job log", says: "of the job that was started last" },
    { command: "gpu job log train --follow --tail 20", says: "the last lines, and what is printed from now on" },
    { command: "gpu job log train --new", says: "what was not shown here yet" },
  ],
  input: z.object({
    job: z.string().optional().meta({
      positional: true,
      complete: "detached",
      description: "its id, a unique beginning of that, or its name; the last one when left out",
    }),
    follow: z.boolean().default(false).meta({
      short: "f",
      description: "go on with what it prints, until it has ended",
    }),
    tail: z.number().int().min(0).optional().meta({
      short: "n",
      description: "only so many last lines, of each stream",
    }),
    new: z.boolean().default(false).describe("only what was not shown here yet"),
    stdout: z.boolean().default(false).describe("only its stdout"),
    stderr: z.boolean().default(false).describe("only its stderr"),
    ...placeParams,
  }),
  output: JobLine,
  async *run({ job: word, new: isNew, follow, tail, stdout, stderr, ...place }, context) {
    const { findJob } = await import("../../jobs/find.ts");
    const { showLog } = await import("../../jobs/log.ts");
    const { openJobs } = await import("../../exec/job-runner.ts");
    await using reach = openJobs(context);
    const job = await findJob(context, { word, place: placeOf(place) }, reach);
    yield* showLog(context, job, {
      reach,
      follows: follow,
      tail,
      isNew,
      streams: (["stdout", "stderr"] as const).filter((stream) =>
        stdout === stderr || (stream === "stdout" ? stdout : stderr)
      ),
    });
  },
  view: () => undefined,
});
