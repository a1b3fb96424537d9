import { z } from "zod";
import { minutesUntil } from "../duration.ts";
import type { Provider, ProviderInstance } from "../provider/provider.ts";
import { oneLine } from "../safe-text.ts";
import type { World } from "../world.ts";
import { askClouds, type AskOptions, whyUnasked } from "./clouds.ts";
import type { Journal } from "./journal.ts";
import { costSoFar } from "./lease.ts";
import { settleIfGone } from "./reconcile.ts";
import { carriesToken, isLive, mayBeUnlisted } from "./renting.ts";
import { labelOf, type Launch } from "./rows.ts";

/** A rented machine, as commands and recipes see it. */
export const Instance = z.object({
  id: z.string().describe("the provider's id; the launch token as long as that is not known"),
  name: z.string().nullable().describe("the name it was given, null when it has none"),
  provider: z.string().describe("where it is rented"),
  type: z.string().describe("instance type"),
  region: z.string().describe("region"),
  state: z.enum([
    "booting",
    "running",
    "stopping",
    "stopped",
    "unhealthy",
    "unknown",
    "reachable",
    "unreachable",
    "not asked",
  ])
    .describe(
      "unknown: the provider could not be asked, or has not answered its launch; the last three: of your own hosts",
    ),
  unknownWhy: z.string().nullable().describe("why its state is unknown, null where it is not"),
  address: z.object({
    host: z.string().describe("host name or IP address"),
    port: z.number().int().describe("port of its SSH server"),
    user: z.string().describe("user that logs in"),
  }).nullable().describe("where SSH answers, null before it has an address"),
  pricePerHour: z.number().describe("US dollars an hour"),
  costDollars: z.number().nullable().describe("US dollars until now, null when its launch is not known here"),
  launchedAt: z.iso.datetime().nullable().describe("when it was launched"),
  readyAt: z.iso.datetime().nullable().describe("when SSH answered first"),
  leaseEndsAt: z.iso.datetime().nullable().describe("when it is stopped"),
  leaseMinutesLeft: z.number().int().nullable().describe("minutes until then, rounded up; 0 when the lease is over"),
  owner: z.enum(["run", "lease", "person", "unknown"])
    .describe(
      "run: ends with its run; lease: ends with its lease; person: your own; unknown: not launched from this computer",
    ),
  keptWhy: z.string().nullable().describe("why it outlives the recipe that rented it"),
  run: z.string().nullable().describe("id of the run that launched it"),
  token: z.string().nullable().describe("launch token, in the machine's name at the provider"),
});
export type Instance = z.output<typeof Instance>;

export interface ListOptions extends AskOptions {
  readonly world: Pick<World, "clock">;
  readonly journal: Journal;
  /** Providers that there is no way to ask, by name, and why. */
  readonly unreachable?: ReadonlyMap<string, string>;
}

/** What is rented now: what the providers list, joined with what the journal knows. Oldest first, strangers last. */
export async function listInstances(options: ListOptions): Promise<Instance[]> {
  const { world, journal, signal, unreachable, onProblem } = options;
  // The clouds first, then the journal: a machine in these lists has its row already.
  const answers = await askClouds(options);
  const now = world.clock.now();
  const taken = new Set<ProviderInstance>();
  const known: Instance[] = [];
  for (const launch of journal.launches({ open: true })) {
    const answer = answers.get(launch.provider);
    const seen = answer?.listed?.find((instance) =>
      instance.id === launch.instanceId || carriesToken(instance, launch.token)
    );
    if (seen !== undefined) taken.add(seen);
    const unasked = whyUnasked(launch, answer, unreachable?.get(launch.provider));
    if (answer !== undefined && unasked === undefined && isMissing({ ...answer, launch, seen, now })) {
      const { provider } = answer;
      if (await settleIfGone({ journal, provider, launch, signal }).catch(() => false)) continue;
    }
    if (answer?.listed !== undefined && unasked !== undefined) {
      onProblem?.({ provider: launch.provider, about: labelOf(launch), error: new Error(unasked) });
    }
    known.push(instanceOf({ launch, seen, unasked, now }));
  }
  const strangers = [...answers].flatMap(([name, { listed }]) =>
    (listed ?? []).filter((instance) => isLive(instance) && !taken.has(instance)).map((instance) =>
      stranger(name, instance)
    )
  );
  return [...known, ...strangers];
}

/** A launch of the journal as an instance; `seen` is what its provider shows, when it was asked. */
export function instanceOf(
  { launch, seen, unasked, now }: {
    launch: Launch;
    seen?: ProviderInstance;
    /** Why its provider could not be asked. */
    unasked?: string;
    now: number;
  },
): Instance {
  const state = stateOf({ launch, seen, isAsked: unasked === undefined });
  const address = seen?.ssh ?? addressOf(launch);
  return {
    id: launch.instanceId ?? seen?.id ?? launch.token,
    name: launch.name,
    provider: launch.provider,
    type: launch.type,
    region: launch.region,
    state,
    unknownWhy: state === "unknown" ? oneLine(unasked ?? "nobody has answered its launch yet") : null,
    address: address === undefined
      ? null
      : { host: oneLine(address.host), port: address.port, user: oneLine(address.user) },
    pricePerHour: launch.pricePerHour,
    costDollars: costSoFar(launch, now),
    launchedAt: isoOf(launch.launchedAt),
    readyAt: isoOf(launch.readyAt),
    leaseEndsAt: isoOf(launch.leaseEndsAt),
    leaseMinutesLeft: minutesUntil(launch.leaseEndsAt, now),
    owner: launch.owner,
    keptWhy: launch.keepWhy,
    run: launch.run,
    token: launch.token,
  };
}

/** A machine that the journal does not know: launched elsewhere, by somebody else, or from a journal that is lost. */
function stranger(provider: string, instance: ProviderInstance): Instance {
  const { ssh } = instance;
  return {
    id: oneLine(instance.id),
    name: givenName(instance),
    provider,
    type: oneLine(instance.type),
    region: oneLine(instance.region),
    state: instance.state,
    unknownWhy: null,
    address: ssh === undefined ? null : { host: oneLine(ssh.host), port: ssh.port, user: oneLine(ssh.user) },
    pricePerHour: instance.pricePerHour,
    costDollars: null,
    launchedAt: null,
    readyAt: null,
    leaseEndsAt: null,
    leaseMinutesLeft: null,
    owner: "unknown",
    keptWhy: null,
    run: null,
    token: instance.token === undefined ? null : oneLine(instance.token),
  };
}

/** The name that a person gave: `gpu` puts the launch token behind it. */
export function givenName({ name, token }: ProviderInstance): string | null {
  const given = token === undefined ? name : name.replace(`-${token}`, "");
  return given === "" ? null : oneLine(given);
}

function isMissing(
  { provider, launch, seen, now }: {
    provider: Provider;
    launch: Launch;
    seen: ProviderInstance | undefined;
    now: number;
  },
): boolean {
  if (launch.state !== "LAUNCHED" || (seen !== undefined && isLive(seen))) return false;
  return !mayBeUnlisted(launch, { now, settleMs: provider.facts.settleMs });
}

function stateOf(
  { launch, seen, isAsked }: { launch: Launch; seen: ProviderInstance | undefined; isAsked: boolean },
): Instance["state"] {
  if (launch.state === "STOPPED" || launch.state === "ABSENT") return "stopped";
  if (launch.state === "STOPPING") return "stopping";
  if (seen !== undefined) return seen.state;
  // A launched machine that is not listed yet boots; for one that was only asked for nobody knows.
  return isAsked && launch.state === "LAUNCHED" ? "booting" : "unknown";
}

function addressOf({ host, port, user }: Launch): { host: string; port: number; user: string } | undefined {
  return host === null || port === null || user === null ? undefined : { host, port, user };
}

function isoOf(time: number | null): string | null {
  // A row that says nonsense must not keep anybody from stopping its machine.
  return time === null || Number.isNaN(new Date(time).getTime()) ? null : new Date(time).toISOString();
}
