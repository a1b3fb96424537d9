import { z } from "zod";
import { dataParams } from "../../ci/server/data-folder.ts";
import { isolations } from "../../ci/runner/job-order.ts";
import { ServeEvent, viewServeEvent } from "../../ci/server/serve-events.ts";
import { defineStream } from "../../command.ts";
import { positiveDurationPattern } from "../../duration.ts";

export default defineStream({
  name: "ci serve",
  summary: "Serve CI on this computer",
  description:
    "Takes projects, runs their tests in turn, one user after the other, and keeps what they said. Existing clients work unchanged.\n" +
    "A job runs in a process of its own: a server that is killed finds it again at its next start, and what waited goes on waiting.\n" +
    "Ctrl-C lets jobs that run come to their end; once more stops them.\n" +
    "Jobs run as you. `--isolation process` keeps them apart in name only: give keys to people you trust, or use bubblewrap.\n" +
    "Under systemd, `KillMode=mixed` sends the stop to the server alone, so that jobs end as they should.\n" +
    "A command behind two dashes finds the server in its environment, and the server ends with it.",
  effect: "write",
  endsInItsTime: true,
  examples: [
    { command: "gpu ci serve --open", says: "for yourself, on this computer alone and without a key" },
    { command: "gpu ci serve --host 0.0.0.0 --jobs 4", says: "for users with keys of `gpu ci key create`" },
    { command: "gpu ci serve --open --port 0 -- gpu ci submit test", says: "one run of your tests in a clean folder" },
  ],
  input: z.object({
    command: z.array(z.string()).min(1, "there is nothing to run").optional().meta({
      rest: true,
      description: "command to run with the server's address in its environment",
    }),
    port: z.number().int().min(0).max(65_535).default(8000).describe("port to listen on; 0 is any free one"),
    host: z.string().default("127.0.0.1").meta({
      placeholder: "address",
      description: "address to listen on; 0.0.0.0 is every one",
    }),
    ...dataParams,
    jobs: z.number().int().min(1).max(1000).default(1).describe("how many jobs run at a time"),
    isolation: z.enum(isolations).default("process").describe("what keeps jobs from the rest of the computer"),
    open: z.boolean().default(false).describe("ask for no key; only on the loopback, and without users"),
    keep: z.string().regex(positiveDurationPattern, "a span of more than nothing, like `30d`").default("30d").meta({
      placeholder: "span",
      description: "how long jobs that are over are kept",
    }),
    keepGb: z.number().positive().default(20).meta({
      placeholder: "gigabytes",
      description: "how much disk jobs may use; the oldest go first",
    }),
    timeout: z.string().regex(positiveDurationPattern, "a span of more than nothing, like `2h`").optional().meta({
      placeholder: "span",
      description: "longest time of a job, whatever its project says",
    }),
    memoryGb: z.number().positive().optional().meta({
      placeholder: "gigabytes",
      description: "most memory of a job's processes together",
    }),
    diskGb: z.number().positive().optional().meta({
      placeholder: "gigabytes",
      description: "most disk of a job's folder while it runs; it is looked at about once a second",
    }),
  }),
  output: ServeEvent,
  async *run({ command, port, host, data, jobs, isolation, open, keep, keepGb, timeout, memoryGb, diskGb }, context) {
    const { dataFolderOf } = await import("../../ci/server/data-folder.ts");
    const { serve } = await import("../../ci/server/serve.ts");
    const { durationMs } = await import("../../duration.ts");
    yield* serve({
      context,
      command,
      options: {
        ...{ host, port, isolation, isOpen: open, parallelJobs: jobs },
        dataFolder: dataFolderOf(data, context.world),
        keep: { ageMs: durationMs(keep), bytes: keepGb * 1e9 },
        limits: {
          timeoutMs: timeout === undefined ? undefined : durationMs(timeout),
          memoryBytes: memoryGb === undefined ? undefined : memoryGb * 1e9,
          diskBytes: diskGb === undefined ? undefined : diskGb * 1e9,
        },
      },
    });
  },
  exitCode: (event) => event.type === "stopped" ? event.exitCode ?? 0 : 0,
  view: viewServeEvent,
});
