import type { ProviderInstance } from "../provider/provider.ts";
import { givenName, type ListOptions } from "./instances.ts";
import { judge, launchesOf, type Verdict } from "./reconcile.ts";
import { carriesToken, isLive } from "./renting.ts";
import { isOpen, type Launch } from "./rows.ts";

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
  readonly verdict: Verdict | "foreign";
  readonly why: string;
}

export interface SurveyOptions extends ListOptions {
  isRunAlive(run: string): boolean;
}

/** Every open launch, what has come back after it was given up, and the orphans of other journals. Changes nothing. */
export async function survey(options: SurveyOptions): Promise<Finding[]> {
  const { journal, providers, signal, world, isRunAlive } = options;
  // The clouds first, then the journal: else a newborn is taken for somebody else's.
  const lists = await Promise.all(providers.map(async (provider) => {
    const listed = await provider.list(signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      options.onProblem?.({ provider: provider.name, error });
      return undefined;
    });
    return { provider, listed };
  }));
  const now = world.clock.now();
  return lists.flatMap(({ provider, listed }) => {
    const rows = launchesOf(journal, provider.name, now);
    const known = rows.flatMap((launch): Finding[] => {
      const { settleMs } = provider.facts;
      // A cloud that cannot be asked proves no machine gone.
      const rule = { listed: listed ?? [], now, settleMs: listed ? settleMs : Infinity, isRunAlive };
      const { verdict, why } = judge(launch, rule);
      if (!isOpen(launch) && verdict === "leave") return [];
      const seen = listed?.find(({ id }) => id === launch.instanceId) ??
        listed?.find((instance) => carriesToken(instance, launch.token)) ?? null;
      const reason = why || (launch.owner === "run" ? "its run lives" : "its lease lasts");
      const isAsked = listed !== undefined;
      return [{ provider: provider.name, launch, seen, isAsked, name: launch.name, verdict, why: reason }];
    });
    const strangers = (listed ?? []).filter((instance) =>
      isLive(instance) && instance.token !== undefined && journal.launch(instance.token) === undefined &&
      !rows.some((launch) => launch.instanceId === instance.id)
    );
    return [
      ...known,
      ...strangers.map((seen): Finding => ({
        ...{ provider: provider.name, launch: null, seen, isAsked: true, name: givenName(seen), verdict: "foreign" },
        why: "another computer's; `gpu adopt` takes it over",
      })),
    ];
  });
}
