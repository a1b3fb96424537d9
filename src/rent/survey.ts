import type { ProviderInstance } from "../provider/provider.ts";
import { askClouds, type CloudAnswer, whyUnasked } from "./clouds.ts";
import { givenName, type ListOptions } from "./instances.ts";
import type { Journal } from "./journal.ts";
import { givenUpSince, judge, launchesOf, sweepMs, type Verdict } from "./reconcile.ts";
import { carriesToken, isLive } from "./renting.ts";
import { isForgotten, isOpen, type Launch } from "./rows.ts";

/** One launch of the journal beside what its cloud says, or one machine that the journal does not know. */
export interface Finding {
  readonly provider: string;
  /** `null`: a machine that another computer's `gpu` launched. */
  readonly launch: Launch | null;
  /** `null`: it is not listed, or the cloud could not be asked. */
  readonly seen: ProviderInstance | null;
  readonly isAsked: boolean;
  /** The name that a person gave it. */
  readonly name: string | null;
  /** `unasked`: nobody could be asked what there is of it, so nothing is concluded. */
  readonly verdict: Verdict | "foreign" | "unasked";
  readonly why: string;
}

export interface SurveyOptions extends ListOptions {
  isRunAlive(run: string): boolean;
}

/** Every open launch, what has come back after it was given up, and the orphans of other journals. Changes nothing. */
export async function survey(options: SurveyOptions): Promise<Finding[]> {
  const { journal, unreachable = new Map(), world } = options;
  // The clouds first, then the journal: else a newborn is taken for somebody else's.
  const answers = await askClouds(options);
  const now = world.clock.now();
  const names = new Set([...answers.keys(), ...unreachable.keys(), ...unsettled(options, now)]);
  return [...names].flatMap((name) => {
    const answer = answers.get(name);
    const rows = launchesOf(journal, name, now);
    const known = rows.flatMap((launch) => {
      const unasked = whyUnasked(launch, answer, unreachable.get(name));
      return unasked === undefined && answer
        ? judged(options, { launch, answer, now })
        : notAsked(options, { launch, unasked, now });
    });
    return [...known, ...strangersIn(options, { answer, rows })];
  });
}

function judged(
  { isRunAlive }: SurveyOptions,
  { launch, answer: { provider, listed = [] }, now }: { launch: Launch; answer: CloudAnswer; now: number },
): Finding[] {
  const { verdict, why } = judge(launch, { listed, now, settleMs: provider.facts.settleMs, isRunAlive });
  if (!isOpen(launch) && verdict === "leave") return [];
  const seen = listed.find(({ id }) => id === launch.instanceId) ??
    listed.find((instance) => carriesToken(instance, launch.token)) ?? null;
  const reason = why || (launch.owner === "run" ? "its run lives" : "its lease lasts");
  return [{ provider: provider.name, launch, seen, isAsked: true, name: launch.name, verdict, why: reason }];
}

/** Nothing proves such a machine gone: its row stays, and what is due remains to be done. */
function notAsked(
  { journal, isRunAlive }: SurveyOptions,
  { launch, unasked, now }: { launch: Launch; unasked: string | undefined; now: number },
): Finding[] {
  const isSought = givenUpSince(journal, now - sweepMs).some(({ token }) => token === launch.token);
  if (!isOpen(launch) && !isSought) return [];
  const due = judge(launch, { listed: [], now, settleMs: Infinity, isRunAlive });
  return [{
    ...{ provider: launch.provider, launch, seen: null, isAsked: false, name: launch.name, verdict: "unasked" },
    why: `${unasked ?? "nobody answered"}${due.verdict === "stop" ? `; to be stopped: ${due.why}` : ""}`,
  }];
}

function strangersIn(
  { journal }: SurveyOptions,
  { answer, rows }: { answer: CloudAnswer | undefined; rows: readonly Launch[] },
): Finding[] {
  const strangers = (answer?.listed ?? []).filter((instance) =>
    isLive(instance) && instance.token !== undefined && !isKnown(journal, instance.token) &&
    !rows.some((launch) => launch.instanceId === instance.id)
  );
  return strangers.map((seen) => ({
    provider: answer?.provider.name ?? "",
    ...{ launch: null, seen, isAsked: true, name: givenName(seen), verdict: "foreign" },
    why: journal.launch(seen.token ?? "") === undefined
      ? "another computer's; `gpu adopt` takes it over"
      : "it was to be forgotten; `gpu adopt` takes it back",
  }));
}

function isKnown(journal: Journal, token: string): boolean {
  const launch = journal.launch(token);
  return launch !== undefined && !isForgotten(launch);
}

/** Providers of what is open, or is looked for, whether or not they can be reached. */
function unsettled({ journal }: SurveyOptions, now: number): string[] {
  return [...journal.launches({ open: true }), ...givenUpSince(journal, now - sweepMs)].map(({ provider }) => provider);
}
