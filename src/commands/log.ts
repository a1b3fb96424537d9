import { z } from "zod";
import { defineCommand } from "../command.ts";
import { localTimeText } from "../duration.ts";

export default defineCommand({
  name: "log",
  summary: "Show what was tried, launched, refused and stopped, and why",
  description:
    "With an instance: everything from the `gpu start` that rented it on, the offers that were tried before it too.\n" +
    "The newest is last; times are those of this computer's time zone.",
  effect: "read",
  examples: [
    { command: "gpu log", says: "the last events" },
    { command: "gpu log trainer", says: "of one instance, also one that is gone" },
    { command: "gpu log --since 7d --json", says: "for a program, with times in UTC" },
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
    name: z.string().nullable().describe("the name a person gave it"),
    run: z.string().nullable().describe("id of the run"),
    kind: z.string().describe("what happened"),
    text: z.string().describe("more about it"),
  })),
  async run({ instance, since, limit }, context) {
    const { timeOf } = await import("../duration.ts");
    const { findLaunch } = await import("../rent/resolve.ts");
    const { sessionEvents } = await import("../rent/session-log.ts");
    const journal = await context.journal();
    if (journal.problem !== undefined) throw journal.problem;
    const from = since === undefined ? undefined : timeOf(since, context.world.clock.now());
    const events = instance === undefined
      ? journal.events({ since: from, limit })
      : sessionEvents(journal, findLaunch(journal, instance), { since: from, limit });
    return events.map(({ time, token, run, kind, text }) => {
      const launch = token === null ? undefined : journal.launch(token);
      return {
        time: new Date(time).toISOString(),
        instance: launch?.instanceId ?? token,
        name: launch?.name ?? null,
        run,
        kind,
        text,
      };
    });
  },
  view: (events) => ({
    columns: ["time", "instance", "event", ""],
    rows: events.map(({ time, instance, name, kind, text }) => [
      localTimeText(Date.parse(time)),
      instance === null ? "-" : name === null ? instance : `${instance} (${name})`,
      kind.replaceAll("-", " "),
      detailOf({ instance, kind, text }),
    ]),
    // An instance is meant by the beginning of its id, too.
    narrow: [{ column: "", min: 32 }, { column: "instance", min: 12 }, { column: "", min: 16 }, { column: "instance" }],
    empty: "nothing has happened yet",
  }),
});

/** What the other columns do not say already. */
function detailOf({ instance, kind, text }: { instance: string | null; kind: string; text: string }): string {
  if (kind === "launched" || kind === "adopted") return text === instance ? "" : text;
  return kind === "lease-moved" ? `until ${localTimeText(Date.parse(text))}` : text;
}
