import type { Context } from "../command.ts";
import type { Finding } from "../rent/survey.ts";

/** What was done about a launch. */
export type Outcome = "nothing" | "stopped" | "stopping" | "settled" | "failed" | "forgotten";

/** What the journal and every cloud say, side by side. */
export async function findAll(context: Context): Promise<Finding[]> {
  const { survey } = await import("../rent/survey.ts");
  const { isRunAlive } = await import("../rent/run.ts");
  const { reachable } = await import("../rent/fleet.ts");
  const fleet = await reachable(context, (problem) => context.note(`warning: ${problem}`));
  return await survey({ ...fleet, isRunAlive: (run) => isRunAlive(context.world, run) });
}

/** Does what the verdicts say, judging anew: seconds may have passed over a question. Returns outcomes by launch token. */
export async function settleAll(context: Context): Promise<Map<string, Outcome>> {
  const { reconcile } = await import("../rent/reconcile.ts");
  const { isRunAlive } = await import("../rent/run.ts");
  const { describeProblem, reachable } = await import("../rent/fleet.ts");
  const { labelOf } = await import("../rent/rows.ts");
  const { world, signal, provider, progress, note } = context;
  const journal = await context.journal();
  const report = await reconcile({
    world,
    signal,
    provider,
    journal,
    askAlso: (await reachable(context, () => {})).providers.map(({ name }) => name),
    onProgress: progress,
    isRunAlive: (run) => isRunAlive(world, run),
    patienceMs: 30_000,
  });
  for (const { provider, error, token } of report.problems) {
    const launch = token === undefined ? undefined : journal.launch(token);
    // A provider that does not answer at all was said before, when its launches were looked up.
    if (launch) note(`warning: ${describeProblem({ provider, error, about: labelOf(launch) })}`);
  }
  const failed = report.problems.flatMap(({ token }) => (token === undefined ? [] : [token]));
  const all: readonly (readonly [Outcome, readonly string[]])[] = [
    ["stopped", report.stopped],
    ["stopping", report.stopping],
    ["settled", report.gone],
    ["failed", failed],
  ];
  return new Map(all.flatMap(([outcome, tokens]) => tokens.map((token) => [token, outcome] as const)));
}

/** Stops watching these, without asking any provider; `isDry`: only shows which are meant. */
export async function forgetAll(
  context: Context,
  { selectors, isDry }: { selectors: readonly string[]; isDry: boolean },
) {
  const { findWatched, forgetLaunch } = await import("../rent/forget.ts");
  const { stopTunnels } = await import("../background/tunnel-client.ts");
  const journal = await context.journal();
  const rows = [];
  for (const launch of findWatched(journal, selectors)) {
    const forgotten = isDry ? launch : forgetLaunch(journal, launch);
    if (!isDry && launch.instanceId !== null) await stopTunnels(context.world, { instanceId: launch.instanceId });
    const finding: Finding = {
      ...{ provider: launch.provider, launch: forgotten ?? launch, seen: null, isAsked: false, name: launch.name },
      ...{ verdict: "leave", why: "it may still run and cost money; nobody here ends it any more" },
    };
    const done: Outcome = isDry ? "nothing" : forgotten === undefined ? "failed" : "forgotten";
    rows.push({ ...describeFinding(finding, done), verdict: "forget" as const });
  }
  return rows;
}

/** A finding and what was done about it, as `gpu reconcile` shows it. */
export function describeFinding(finding: Finding, done: Outcome) {
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

/** The provider's id, or the launch token as long as that is not known. */
export function idOf({ launch, seen }: Pick<Finding, "launch" | "seen">): string {
  return launch?.instanceId ?? seen?.id ?? launch?.token ?? "";
}
