import type { Provider, ProviderInstance } from "../provider/provider.ts";
import type { World } from "../world.ts";
import type { Journal } from "./journal.ts";
import type { Launch } from "./rows.ts";

/** What renting, waiting and stopping all need. */
export interface Renting {
  readonly world: Pick<World, "clock">;
  readonly journal: Journal;
  readonly provider: Provider;
  readonly signal?: AbortSignal;
  /** Says what is being waited for; replaces what it said before. */
  readonly onProgress?: (text: string) => void;
}

/** Whether a listed machine was made by the launch with this token, by tag or by name. */
export function carriesToken(instance: ProviderInstance, token: string): boolean {
  return instance.token === token || instance.name.includes(token);
}

/** Whether a machine may still cost money. */
export function isLive(instance: ProviderInstance): boolean {
  return instance.state !== "stopped";
}

/** Whether a machine of this launch may still be missing from the provider's list. */
export function mayBeUnlisted(launch: Launch, { now, settleMs }: { now: number; settleMs: number }): boolean {
  if (launch.seenAt !== null) return false;
  return now - (launch.launchedAt ?? launch.sentAt ?? launch.createdAt) < settleMs;
}
