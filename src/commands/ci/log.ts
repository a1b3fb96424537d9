import { z } from "zod";
import { jobParam, openClient, rawParam, serverParams, shown } from "../../ci/client/command.ts";
import { defineStream } from "../../command.ts";

export default defineStream({
  name: "ci log",
  summary: "Show what a job has said, without waiting for more",
  effect: "read",
  examples: [
    { command: "gpu ci log 7c1f", says: "all of it; the beginning of an id is enough" },
    { command: "gpu ci log 7c1f --tail 50", says: "its last lines" },
    { command: "gpu ci log 7c1f --output test.log", says: "into a file" },
  ],
  input: z.object({
    job: jobParam,
    output: z.string().optional().meta({
      short: "o",
      complete: "file",
      placeholder: "file",
      description: "write it there instead; `-` is standard output",
    }),
    tail: z.number().int().positive().optional().meta({ short: "n", description: "only so many lines, the last ones" }),
    raw: rawParam,
    ...serverParams,
  }),
  output: z.discriminatedUnion("type", [
    z.object({
      type: z.literal("log").describe("a line of the job's log"),
      data: z.string().describe("the line with its newline; the last one may have none"),
    }),
    z.object({
      type: z.literal("saved").describe("the log is in the file"),
      path: z.string().describe("where it is"),
      lines: z.number().int().describe("how many lines it has"),
    }),
  ]),
  async *run({ job, output, tail, raw, ...flags }, context) {
    const { logSoFar } = await import("../../ci/client/log-so-far.ts");
    await using open = await openClient(context, flags);
    const jobId = await open.client.resolveJob(job);
    const lots = logSoFar(open.client, jobId, { tail, clock: context.world.clock, note: context.note });
    if (output !== undefined && output !== "-") {
      const { saveLog } = await import("../../ci/client/log-file.ts");
      const { resolve } = await import("node:path");
      const path = resolve(context.world.cwd, output);
      yield { type: "saved" as const, path, lines: await saveLog(lots, path, { isRaw: raw }) };
      return;
    }
    for await (const lot of shown(lots, context, raw)) {
      for (const event of lot) if (event.type === "log") yield { type: event.type, data: event.data };
    }
  },
  view: (item) =>
    item.type === "log"
      ? new TextEncoder().encode(item.data)
      : { stderr: `${item.lines === 1 ? "1 line is" : `${item.lines} lines are`} in ${item.path}` },
});
