import type { Provider } from "../provider/provider.ts";
import type { Journal } from "../rent/journal.ts";
import type { Launch } from "../rent/rows.ts";
import type { SshAddress } from "../provider/provider.ts";
import type { World } from "../world.ts";

/** Where a launched machine is now: its address, `gone`, or undefined where that is not known. */
export type Locate = (
  token: string,
  options: { readonly isLost: boolean; readonly signal: AbortSignal },
) => Promise<{ readonly address: SshAddress; readonly hostKey: string } | "gone" | undefined>;

interface Options {
  readonly world: Pick<World, "clock">;
  readonly journal: Journal;
  provider(launch: Launch): Promise<Provider>;
}

/** A provider is asked no more often than this, and not waited for longer than that. */
const askEveryMs = 10_000;
const patienceMs = 5_000;

/** Looks a machine up in the journal; where it does not answer at its address, asks its provider whether it moved. */
export function locator({ world: { clock }, journal, provider }: Options): Locate {
  const asked = new Map<string, number>();
  const ask = async (launch: Launch, signal: AbortSignal) => {
    const { token, instanceId } = launch;
    const now = clock.monotonic();
    if (instanceId === null || now - (asked.get(token) ?? -Infinity) < askEveryMs) return;
    asked.set(token, now);
    const enough = new AbortController();
    const limit = AbortSignal.any([signal, enough.signal]);
    const late = clock.sleep(patienceMs, limit).catch(() => {});
    const found = provider(launch).then((known) => known.get(instanceId, limit)).catch(() => undefined);
    const instance = await Promise.race([found, late]);
    enough.abort();
    if (instance?.ssh) journal.markSeen(token, instance.ssh);
  };
  return async (token, { isLost, signal }) => {
    const before = journal.launch(token);
    if (before && isLost) await ask(before, signal);
    const launch = journal.launch(token);
    if (!launch) return undefined;
    if (launch.state === "STOPPED" || launch.state === "ABSENT") return "gone";
    const { host, port, user, hostPublicKey: hostKey } = launch;
    if (host === null || port === null || user === null || hostKey === "") return undefined;
    return { address: { host, port, user }, hostKey };
  };
}
