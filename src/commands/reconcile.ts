import { z } from "zod";
import { type Context, defineCommand } from "../command.ts";
import type { Finding } from "../rent/survey.ts";

const words = { leave: "leave", stop: "stop", gone: "gone", foreign: "not ours" } as const;

export default defineCommand({
  name: "reconcile",
  summary: "Compare the journal with the clouds and settle it",
  description:
    "Stops what a dead run owned and what outlived its lease, and writes down what is gone. Every command that looks at\n" +
    "instances does the same first; this one asks every provider and shows each open launch with the verdict.\n" +
    "Machines that another computer's `gpu` launched are shown and never touched.",
  effect: "destroy",
  examples: [
    { command: "gpu reconcile --dry-run", says: "show what would be done" },
    { command: "gpu reconcile --yes", says: "do it without a question" },
  ],
  input: z.object({ dryRun: z.boolean().default(false).describe("show the verdicts and change nothing") }),
  output: z.array(z.object({
    id: z.string().describe("the provider's id; the launch token as long as that is not known"),
    name: z.string().nullable().describe("its name"),
    provider: z.string().describe("where it is rented"),
    token: z.string().nullable().describe("launch token"),
    run: z.string().nullable().describe("run that launched it; null when another computer did"),
    owner: z.enum(["run", "lease"]).nullable().describe("who keeps it; null when another computer's journal does"),
    journal: z.string().nullable().describe("state of its launch in the journal"),
    cloud: z.string().describe("state at the provider, or `not listed`, or `not asked`"),
    verdict: z.enum(["leave", "stop", "gone", "foreign"]).describe("what is to become of it"),
    why: z.string().describe("the reason"),
    done: z.enum(["nothing", "stopped", "stopping", "settled", "failed"]).describe("what was done about it"),
  })),
  async plan({ dryRun }, context) {
    if (dryRun) return undefined;
    const doomed = (await find(context)).filter(({ verdict }) => verdict === "stop");
    if (!doomed.some(({ launch }) => (launch?.pricePerHour ?? 0) > 0)) return undefined;
    const what = doomed.map((finding) => `${idOf(finding)} (${finding.why})`).join(", ");
    return { action: `stop ${what}`, loss: doomed.length === 1 ? "its disk" : "their disks" };
  },
  async run({ dryRun }, context) {
    const findings = await find(context);
    const outcomes = dryRun ? new Map<string, Outcome>() : await settle(context);
    return findings.map((finding) => describe(finding, outcomes.get(finding.launch?.token ?? "") ?? "nothing"));
  },
  exitCode: (rows) => (rows.some(({ done }) => done === "failed") ? 1 : 0),
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

type Outcome = "nothing" | "stopped" | "stopping" | "settled" | "failed";

async function find(context: Context): Promise<Finding[]> {
  const { survey } = await import("../rent/survey.ts");
  const { isRunAlive } = await import("../rent/run.ts");
  const { reachable } = await import("../rent/fleet.ts");
  const fleet = await reachable(context, (problem) => context.note(`warning: ${problem}`));
  return await survey({ ...fleet, isRunAlive: (run) => isRunAlive(context.world, run) });
}

/** Does what the verdicts say, judging anew: seconds may have passed over a question. */
async function settle(context: Context): Promise<Map<string, Outcome>> {
  const { reconcile } = await import("../rent/reconcile.ts");
  const { isRunAlive } = await import("../rent/run.ts");
  const { reachable } = await import("../rent/fleet.ts");
  const { messageOf } = await import("../errors.ts");
  const { world, signal, provider, progress, note } = context;
  const report = await reconcile({
    world,
    signal,
    provider,
    journal: await context.journal(),
    askAlso: (await reachable(context, () => {})).providers.map(({ name }) => name),
    onProgress: progress,
    isRunAlive: (run) => isRunAlive(world, run),
    patienceMs: 30_000,
  });
  for (const { provider, error } of report.problems) note(`warning: ${provider}: ${messageOf(error)}`);
  const failed = report.problems.flatMap(({ token }) => (token === undefined ? [] : [token]));
  const all: readonly (readonly [Outcome, readonly string[]])[] = [
    ["stopped", report.stopped],
    ["stopping", report.stopping],
    ["settled", report.gone],
    ["failed", failed],
  ];
  return new Map(all.flatMap(([outcome, tokens]) => tokens.map((token) => [token, outcome] as const)));
}

function describe(finding: Finding, done: Outcome) {
  const { launch, seen, provider, isAsked, verdict, why, name } = finding;
  return {
    id: idOf(finding),
    name,
    provider,
    token: launch?.token ?? seen?.token ?? null,
    run: launch?.run ?? null,
    owner: launch?.owner ?? null,
    journal: launch?.state ?? null,
    cloud: seen?.state ?? (isAsked ? "not listed" : "not asked"),
    verdict,
    why,
    done,
  };
}

function idOf({ launch, seen }: Finding): string {
  return launch?.instanceId ?? seen?.id ?? launch?.token ?? "";
}
