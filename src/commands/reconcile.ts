import { z } from "zod";
import { type Context, defineCommand } from "../command.ts";
import type { Outcome } from "../instance/settle.ts";

const words = {
  leave: "leave",
  stop: "stop",
  gone: "gone",
  foreign: "not ours",
  unasked: "not asked",
  forget: "forget",
} as const;

export default defineCommand({
  name: "reconcile",
  summary: "Compare the journal with the clouds and settle it",
  description:
    "Stops what a dead run owned and what outlived its lease, and writes down what is gone. Every command that looks at\n" +
    "instances does the same first; this one asks every provider and shows each open launch with the verdict.\n" +
    "What no provider could be asked about is left as it is, and the exit code is 1.\n" +
    "Machines that another computer's `gpu` launched are shown and never touched.",
  effect: "destroy",
  examples: [
    { command: "gpu reconcile --dry-run", says: "show what would be done" },
    { command: "gpu reconcile --yes", says: "do it without a question" },
    { command: "gpu reconcile --forget i-3f9a1c20", says: "its account is closed: stop watching it" },
  ],
  input: z.object({
    dryRun: z.boolean().default(false).describe("show the verdicts and change nothing"),
    forget: z.array(z.string()).optional().meta({
      placeholder: "id",
      complete: "instance",
      description: "do only this: stop watching an instance that cannot be asked about any more; it is not stopped",
    }),
  }),
  output: z.array(z.object({
    id: z.string().describe("the provider's id; the launch token as long as that is not known"),
    name: z.string().nullable().describe("its name"),
    provider: z.string().describe("where it is rented"),
    token: z.string().nullable().describe("launch token"),
    run: z.string().nullable().describe("run that launched it; null when another computer did"),
    owner: z.enum(["run", "lease"]).nullable().describe("who keeps it; null when another computer's journal does"),
    journal: z.string().nullable().describe("state of its launch in the journal"),
    cloud: z.string().describe("state at the provider, or `not listed`, or `not asked`"),
    verdict: z.enum(["leave", "stop", "gone", "foreign", "unasked", "forget"])
      .describe("what is to become of it; `unasked`: nobody could be asked, so it stays as it is"),
    why: z.string().describe("the reason"),
    done: z.enum(["nothing", "stopped", "stopping", "settled", "failed", "forgotten"]).describe(
      "what was done about it",
    ),
  })),
  async plan({ dryRun, forget = [] }, context) {
    if (dryRun) return undefined;
    if (forget.length > 0) return await planForgetting(forget, context);
    const { findAll, idOf } = await import("../instance/settle.ts");
    const doomed = (await findAll(context)).filter(({ verdict }) => verdict === "stop");
    if (!doomed.some(({ launch }) => (launch?.pricePerHour ?? 0) > 0)) return undefined;
    const what = doomed.map((finding) => `${idOf(finding)} (${finding.why})`).join(", ");
    return { action: `stop ${what}`, loss: doomed.length === 1 ? "its disk" : "their disks" };
  },
  async run({ dryRun, forget = [] }, context) {
    const { describeFinding, findAll, forgetAll, settleAll } = await import("../instance/settle.ts");
    if (forget.length > 0) return await forgetAll(context, { selectors: forget, isDry: dryRun });
    const findings = await findAll(context);
    const outcomes = dryRun ? new Map<string, Outcome>() : await settleAll(context);
    return findings.map((finding) => describeFinding(finding, outcomes.get(finding.launch?.token ?? "") ?? "nothing"));
  },
  exitCode: (rows) => (rows.some(({ done, verdict }) => done === "failed" || verdict === "unasked") ? 1 : 0),
  view: (rows) => ({
    columns: ["id", "name", "provider", "journal", "cloud", "verdict", "why", "done"],
    rows: rows.map((row) => [
      row.id,
      row.name ?? "-",
      row.provider,
      row.journal ?? "-",
      row.cloud,
      words[row.verdict],
      row.why,
      row.done,
    ]),
    empty: "nothing is open",
  }),
});

/** Always asked: whether the machine lives or not, nobody here ends it from then on. */
async function planForgetting(selectors: readonly string[], context: Context) {
  const { findWatched } = await import("../rent/forget.ts");
  const { labelOf } = await import("../rent/rows.ts");
  const launches = findWatched(await context.journal(), selectors);
  const prices = launches.flatMap(({ pricePerHour }) => pricePerHour > 0 ? [`$${pricePerHour.toFixed(2)}/h`] : []);
  const many = launches.length > 1;
  const cost = prices.length === 0 ? "" : ` and may go on costing ${prices.join(" + ")}`;
  return {
    action: `stop watching ${launches.map(labelOf).join(", ")} without stopping ${many ? "them" : "it"}`,
    loss: `what ends ${many ? "them" : "it"}: ${many ? "they" : "it"} may still run${cost}`,
  };
}
