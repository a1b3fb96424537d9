import { z } from "zod";
import { jsonOf } from "../http/json.ts";

/**
 * Where a launch stands. `INTENDED`: written down, nothing sent. `SENT`: the request may have left; whether a machine
 * exists is not known. `LAUNCHED`: its id is known (`readyAt` says since when SSH answers). `STOPPING`: it is to end.
 * `STOPPED` and `ABSENT` are ends: there was a machine and it is gone, or there never was one.
 */
export const launchStates = ["INTENDED", "SENT", "LAUNCHED", "STOPPING", "STOPPED", "ABSENT"] as const;
export type LaunchState = typeof launchStates[number];

/** A run owns what it rents until a lease takes over; what a dead run owns, and what outlives its lease, is stopped. */
export const owners = ["run", "lease"] as const;
export type Owner = typeof owners[number];

/** One launch, as the journal keeps it. Times are milliseconds since 1970. The agent's token is kept apart. */
export const Launch = z.object({
  token: z.string(),
  run: z.string(),
  owner: z.enum(owners),
  provider: z.string(),
  account: z.string().nullable(),
  profile: z.string().nullable(),
  /** What was asked of the provider, as JSON without secrets. */
  request: z.string(),
  /** The name a person gave it. */
  name: z.string().nullable(),
  type: z.string(),
  region: z.string(),
  pricePerHour: z.number(),
  state: z.enum(launchStates),
  instanceId: z.string().nullable(),
  host: z.string().nullable(),
  port: z.number().nullable(),
  user: z.string().nullable(),
  /** The only host key this machine is believed with. */
  hostPublicKey: z.string(),
  createdAt: z.number(),
  sentAt: z.number().nullable(),
  launchedAt: z.number().nullable(),
  /** When the provider first showed it: before that, not being listed proves nothing. */
  seenAt: z.number().nullable(),
  readyAt: z.number().nullable(),
  leaseEndsAt: z.number(),
  stoppingAt: z.number().nullable(),
  /** When it was known to be gone, or that there never was one. */
  stoppedAt: z.number().nullable(),
  /** Why it outlives its run. */
  keepWhy: z.string().nullable(),
  /** Why it ended. */
  endWhy: z.string().nullable(),
});
export type Launch = z.output<typeof Launch>;

/** What is written down before anything is sent. */
export interface Intent {
  readonly token: string;
  readonly run: string;
  readonly provider: string;
  readonly account: string | undefined;
  readonly profile: string | undefined;
  readonly request: Readonly<Record<string, unknown>>;
  readonly name: string | undefined;
  readonly type: string;
  readonly region: string;
  readonly pricePerHour: number;
  readonly leaseEndsAt: number;
  readonly hostPublicKey: string;
  readonly agentToken: string;
}

/** A machine that is there already and that the journal is to know from now on. */
export interface Adopted extends Omit<Intent, "agentToken"> {
  readonly instanceId: string;
  /** Empty: it is not known, and nothing but its lease works. */
  readonly hostPublicKey: string;
  readonly at: { readonly host: string; readonly port: number; readonly user: string } | undefined;
}

const Remembered = z.object({ address: z.record(z.string().regex(/^[A-Z0-9_]+_API_URL$/), z.string()) });

/** Variables that lead to the API that the launch was made at; none where the journal does not say. */
export function addressOfApi({ request }: Pick<Launch, "request">): Readonly<Record<string, string>> {
  return Remembered.safeParse(jsonOf(request)).data?.address ?? {};
}

/** One run of a recipe, or one command that rents. */
export const RunRow = z.object({
  id: z.string(),
  recipe: z.string().nullable(),
  startedAt: z.number(),
  endedAt: z.number().nullable(),
  /** Nothing where the run died. */
  exitCode: z.number().nullable(),
});
export type RunRow = z.output<typeof RunRow>;

/** One line of `gpu log`. */
export const EventRow = z.object({
  id: z.number(),
  time: z.number(),
  token: z.string().nullable(),
  run: z.string().nullable(),
  kind: z.string(),
  text: z.string(),
});
export type EventRow = z.output<typeof EventRow>;

/** Whether a launch may still have a machine. */
export function isOpen(launch: Pick<Launch, "state">): boolean {
  return launch.state !== "STOPPED" && launch.state !== "ABSENT";
}

/** Why a launch ended of which nobody knows whether its machine did: a person told `gpu` to forget it. */
export const forgottenWhy = "forgotten";

/** Whether nobody is to look for the machine of this launch any more, though it may live. */
export function isForgotten({ endWhy, stoppedAt }: Pick<Launch, "endWhy" | "stoppedAt">): boolean {
  return stoppedAt !== null && endWhy === forgottenWhy;
}

/** What a person knows it by: `i-1 (trainer)`; its launch token as long as it has no id. */
export function labelOf({ instanceId, token, name }: Pick<Launch, "instanceId" | "token" | "name">): string {
  return `${instanceId ?? token}${name === null ? "" : ` (${name})`}`;
}

/** Whether this computer may end it for being idle: what a run owns is its run's to end. */
export function isHeldForIdleness({ state, owner, readyAt }: Pick<Launch, "state" | "owner" | "readyAt">): boolean {
  return state === "LAUNCHED" && owner === "lease" && readyAt !== null;
}
