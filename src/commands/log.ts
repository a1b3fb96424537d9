import { z } from "zod";
import { defineCommand } from "../command.ts";

export default defineCommand({
  name: "log",
  summary: "Show what was tried, launched, refused and stopped, and why",
  effect: "read",
  examples: [
    { command: "gpu log", says: "the last events" },
    { command: "gpu log trainer", says: "of one instance, also one that is gone" },
  ],
  input: z.object({
    instance: z.string().optional().meta({
      positional: true,
      complete: "instance",
      description: "only of this instance: id, launch token or name; it may be gone",
    }),
    since: z.string().optional().meta({
      placeholder: "when",
      description: "only since then: a date, or a span like `7d`",
    }),
    limit: z.number().int().positive().default(100).meta({ short: "n", description: "at most so many, the last ones" }),
  }),
  output: z.array(z.object({
    time: z.iso.datetime().describe("when"),
    instance: z.string().nullable().describe("its id, or its launch token as long as that is not known"),
    run: z.string().nullable().describe("id of the run"),
    kind: z.string().describe("what happened"),
    text: z.string().describe("more about it"),
  })),
  async run({ instance, since, limit }, context) {
    const { timeOf } = await import("../duration.ts");
    const { findLaunch } = await import("../rent/resolve.ts");
    const journal = await context.journal();
    const token = instance === undefined ? undefined : findLaunch(journal, instance).token;
    const from = since === undefined ? undefined : timeOf(since, context.world.clock.now());
    return journal.events({ token, since: from, limit }).map(({ time, token, run, kind, text }) => ({
      time: new Date(time).toISOString(),
      instance: token === null ? null : journal.launch(token)?.instanceId ?? token,
      run,
      kind,
      text,
    }));
  },
  view: (events) => ({
    columns: ["time", "instance", "event", ""],
    rows: events.map((
      { time, instance, kind, text },
    ) => [time.slice(0, 19).replace("T", " "), instance ?? "-", kind, text]),
    empty: "nothing has happened yet",
  }),
});
