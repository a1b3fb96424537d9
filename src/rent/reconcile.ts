import { messageOf } from "../errors.ts";
import type { Provider, ProviderInstance } from "../provider/provider.ts";
import { checkAccount, otherAccount } from "./account.ts";
import type { Journal } from "./journal.ts";
import { isLeaseOver } from "./lease.ts";
import { carriesToken, isLive, mayBeUnlisted, type Renting } from "./renting.ts";
import { isForgotten, isOpen, type Launch } from "./rows.ts";
import { recordFailure } from "./still-running.ts";
import { stopInstance } from "./stop.ts";

export interface ReconcileOptions extends Omit<Renting, "provider"> {
  /** Throws where it is not configured any more. */
  provider(name: string): Promise<Provider>;
  isRunAlive(run: string): boolean;
  /** How long to wait for each machine to be gone; what takes longer is left to the next time. */
  readonly patienceMs?: number;
  /** Providers to ask whether or not something of theirs seems to need it. */
  readonly askAlso?: readonly string[];
}

/** What was found and done, as launch tokens. */
export interface ReconcileReport {
  readonly stopped: string[];
  /** Asked to stop, or to be looked for again: the next time goes on. */
  readonly stopping: string[];
  /** Had ended without us. */
  readonly gone: string[];
  /** With the token where it was about one launch. */
  readonly problems: { readonly provider: string; readonly error: unknown; readonly token?: string }[];
}

/** How long the machine of a launch that seemed to have made none is still looked for. */
export const sweepMs = 24 * 3_600_000;

/** Stops every machine whose run is dead or whose lease is over, and settles the journal with what the clouds say. */
export async function reconcile(options: ReconcileOptions): Promise<ReconcileReport> {
  const { journal } = options;
  const report: ReconcileReport = { stopped: [], stopping: [], gone: [], problems: [] };
  // Only which providers to ask is taken from this first look: where all is well no cloud is asked anything.
  const names = new Set([...launchesToSettle(options).map(({ provider }) => provider), ...options.askAlso ?? []]);
  await Promise.all([...names].map(async (name) => {
    try {
      await reconcileProvider(options, await options.provider(name), report);
    } catch (error) {
      options.signal?.throwIfAborted();
      report.problems.push({ provider: name, error });
    }
  }));
  for (const run of journal.runs({ open: true })) {
    if (!options.isRunAlive(run.id)) journal.endRun({ id: run.id, exitCode: undefined });
  }
  return report;
}

/** What is to become of one launch. `gone`: to be confirmed, then settled. */
export type Verdict = "leave" | "stop" | "gone";

/** The rule, without the doing. `listed` must be older than the row: else a newborn is taken for a leak. */
export function judge(
  launch: Launch,
  { listed, now, settleMs, isRunAlive }: {
    listed: readonly ProviderInstance[];
    now: number;
    settleMs: number;
    isRunAlive(run: string): boolean;
  },
): { verdict: Verdict; why: string } {
  const live = listed.filter(isLive);
  const isListed = live.some((instance) => instance.id === launch.instanceId || carriesToken(instance, launch.token));
  if (!isOpen(launch)) {
    // Ids may come again, a token never does.
    const isBack = live.some((instance) => instance.state !== "stopping" && carriesToken(instance, launch.token));
    return isBack ? { verdict: "stop", why: "it appeared after it was given up" } : { verdict: "leave", why: "" };
  }
  if (launch.state === "STOPPING") return { verdict: "stop", why: launch.endWhy ?? "its stop was not finished" };
  if (isLeaseOver(launch, now)) return { verdict: "stop", why: "its lease is over" };
  if (launch.owner === "run" && !isRunAlive(launch.run)) return { verdict: "stop", why: "its run died" };
  const isMissing = launch.state === "LAUNCHED" && !isListed && !mayBeUnlisted(launch, { now, settleMs });
  return isMissing ? { verdict: "gone", why: "it ended without us" } : { verdict: "leave", why: "" };
}

async function reconcileProvider(
  options: ReconcileOptions,
  provider: Provider,
  report: ReconcileReport,
): Promise<void> {
  const { world, journal, signal, isRunAlive } = options;
  const listed = await provider.list(signal);
  const atHand = await provider.account?.(signal);
  const now = world.clock.now();
  const rows = launchesOf(journal, provider.name, now);
  await Promise.all(rows.map(async (launch) => {
    const { verdict, why } = judge(launch, { listed, now, settleMs: provider.facts.settleMs, isRunAlive });
    if (verdict === "leave") return;
    // The list of another account proves nothing gone; what is to be stopped is tried, and what keeps it from that is told.
    if (verdict === "gone" && otherAccount(launch, { atHand, listed }) !== undefined) return;
    try {
      if (verdict === "stop") await finish(options, provider, { launch, why, listed, report });
      if (verdict === "gone" && await settleIfGone({ journal, provider, launch, signal })) {
        report.gone.push(launch.token);
      }
    } catch (error) {
      signal?.throwIfAborted();
      report.problems.push({ provider: provider.name, error, token: launch.token });
      if (verdict === "stop") recordFailure(journal, { token: launch.token, failure: messageOf(error), now });
    }
  }));
}

async function finish(
  options: ReconcileOptions,
  provider: Provider,
  { launch, why, listed, report }: {
    launch: Launch;
    why: string;
    listed: readonly ProviderInstance[];
    report: ReconcileReport;
  },
): Promise<void> {
  const { token } = launch;
  const returned = isOpen(launch) ? undefined : listed.find((instance) => carriesToken(instance, token));
  if (returned !== undefined) options.journal.markStopping(token, why, returned.id);
  const patienceMs = options.patienceMs ?? 5_000;
  const outcome = await stopInstance({ ...options, provider, target: { token }, why, patienceMs });
  report[outcome].push(token);
}

/** A machine that is not listed is asked for by its id before it is written off: a list can be short for a moment. */
export async function settleIfGone(
  { journal, provider, launch, signal }: Pick<Renting, "journal" | "provider" | "signal"> & { launch: Launch },
): Promise<boolean> {
  if (launch.instanceId === null) return false;
  await checkAccount(provider, launch, signal);
  const found = await provider.get(launch.instanceId, signal);
  if (found !== undefined && isLive(found)) return false;
  // It ended, and what it had is still there: a local machine's folder.
  if (found !== undefined) await provider.terminate(launch.instanceId, signal);
  return journal.markStopped(launch.token, "it ended without us") !== undefined;
}

/** What needs a provider to be asked: open launches that nobody owns any more, and those given up a short time ago. */
function launchesToSettle({ journal, world, isRunAlive }: ReconcileOptions): Launch[] {
  const now = world.clock.now();
  const rule = { listed: [], now, settleMs: Infinity, isRunAlive };
  const orphans = journal.launches({ open: true }).filter((launch) => judge(launch, rule).verdict === "stop");
  return [...orphans, ...givenUpSince(journal, now - sweepMs)];
}

/** Launches that were asked for and seem to have made nothing, though nobody said so. */
export function givenUpSince(journal: Journal, since: number): Launch[] {
  return journal.launches({ endedSince: since }).filter((launch) =>
    launch.state === "ABSENT" && launch.sentAt !== null && !isForgotten(launch) &&
    !journal.events({ token: launch.token }).some(({ kind }) => kind === "refused")
  );
}

/** Every launch of a provider that reconciling looks at: the open ones, and those that ended a short time ago. */
export function launchesOf(journal: Journal, provider: string, now: number): Launch[] {
  const ended = journal.launches({ provider, endedSince: now - sweepMs })
    .filter((launch) => launch.sentAt !== null && !isForgotten(launch));
  return [...journal.launches({ provider, open: true }), ...ended];
}
