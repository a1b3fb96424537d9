import { watch } from "node:fs";
import { messageOf } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";
import { loadProvider, type ProviderRegistry } from "../provider/registry.ts";
import { checkAccount } from "../rent/account.ts";
import { openJournal } from "../rent/journal.ts";
import { refreshOpenSshConfig } from "../rent/openssh-refresh.ts";
import { Reaper } from "../rent/reaper.ts";
import { addressOfApi, isHeldForIdleness, type Launch } from "../rent/rows.ts";
import { isRunAlive } from "../rent/run.ts";
import type { World } from "../world.ts";
import { watchIdleness } from "./idle.ts";
import { KeyRing } from "./keys.ts";
import { type Locate, locator } from "./locate.ts";
import type { Keys, ReaperReport, WatchRequest } from "./protocol.ts";

export interface ReapingOptions {
  readonly world: World;
  readonly registry: ProviderRegistry;
  /** Called when there may be less to hold. */
  onChange(): void;
  log(text: string): void;
}

/** The reaper as the background process serves it: with the keys it was handed, and an ear on the journal. */
export interface Reaping extends AsyncDisposable {
  heldCount(): number;
  /** Holds a run until the signal fires: the connection of whoever asked. */
  watch(request: WatchRequest, gone: AbortSignal): null;
  remember(keys: Keys): null;
  report(): ReaperReport;
  /** Where a launched machine is now. */
  readonly locate: Locate;
}

/** Opens the journal and begins at once with what is due. */
export async function startReaping(options: ReapingOptions): Promise<Reaping> {
  const { world, onChange, log } = options;
  const journal = await openJournal(world);
  if (journal.problem) log(journal.problem.message);
  const keyRing = new KeyRing();
  const reaper = new Reaper({
    world,
    journal,
    log,
    isRunAlive: (run) => isRunAlive(world, run),
    provider: (launch) => providerOf(launch, keyRing, options),
    onChange() {
      keyRing.keepOnly(new Set([...reaper.runs, ...reaper.openLaunches.map(({ run }) => run)]));
      onChange();
    },
  });
  reaper.start();
  const idleness = watchIdleness({
    world,
    log,
    onAsked: onChange,
    // Machines on this computer end themselves.
    instanceCount: () =>
      reaper.openLaunches.filter((launch) => launch.provider !== "local" && isHeldForIdleness(launch)).length,
  });
  const ear = hearJournal(world, () => {
    reaper.look();
    void refreshOpenSshConfig(world, journal);
  });
  return {
    heldCount: () => reaper.heldCount,
    watch({ run, keys }, gone) {
      keyRing.remember(keys, run);
      reaper.watch(run);
      if (gone.aborted) void reaper.lost(run);
      else gone.addEventListener("abort", () => void reaper.lost(run), { once: true });
      return null;
    },
    remember(keys) {
      keyRing.remember(keys);
      return null;
    },
    locate: locator({ world, journal, provider: (launch) => providerOf(launch, keyRing, options) }),
    report: () => ({
      pid: process.pid,
      runs: reaper.runs,
      openLaunches: reaper.openLaunches.length,
      nextLeaseEndsAt: reaper.openLaunches.map(({ leaseEndsAt }) => leaseEndsAt).toSorted((a, b) => a - b)[0] ?? null,
      hunts: reaper.hunts,
    }),
    async [Symbol.asyncDispose]() {
      idleness[Symbol.dispose]();
      ear[Symbol.dispose]();
      await reaper[Symbol.asyncDispose]();
      journal[Symbol.dispose]();
    },
  };
}

// The file changes before its commit is on the disk and can be read; a slow disk takes a while for that.
const hearingMs = [30, 300, 2000];

/** Calls when another process has written the journal. Where the system tells nobody, the reaper looks by itself. */
function hearJournal({ folders, clock }: Pick<World, "clock" | "folders">, onWritten: () => void): Disposable {
  let latest = new AbortController();
  const listen = async (signal: AbortSignal) => {
    for (const ms of hearingMs) {
      await clock.sleep(ms, signal);
      onWritten();
    }
  };
  try {
    const watcher = watch(folders.state, (_event, file) => {
      if (file !== null && !file.startsWith("journal.db")) return;
      latest.abort();
      latest = new AbortController();
      listen(latest.signal).catch(() => {});
    });
    watcher.on("error", () => watcher.close());
    return {
      [Symbol.dispose]() {
        latest.abort();
        watcher.close();
      },
    };
  } catch {
    return { [Symbol.dispose]() {} };
  }
}

/**
 * Tries the keys there are until one opens the account of the launch. A key goes to no address but its own, unless the
 * account says that it was rented with just this one at the address that the launch remembers.
 */
async function providerOf(launch: Launch, keyRing: KeyRing, { world, registry }: ReapingOptions): Promise<Provider> {
  const failures: unknown[] = [];
  const load = (env: Keys) =>
    loadProvider(registry, launch.provider, { ...world, env: { ...world.env, ...env } }, {
      profile: launch.profile ?? undefined,
    });
  for (const keys of keyRing.candidates(launch.run)) {
    try {
      const there = await load({ ...keys, ...addressOfApi(launch) });
      if (launch.account !== null && await claimOf(there) === launch.account) return there;
      const provider = await load(keys);
      await checkAccount(provider, launch);
      return provider;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new Error([...new Set(failures.map(messageOf))].join("; ") || "there is no key for it");
}

/** The account that key and address at hand stand for; undefined where there is no key, or no such thing. */
async function claimOf(provider: Provider): Promise<string | undefined> {
  return await provider.claimedAccount?.().catch(() => undefined);
}
