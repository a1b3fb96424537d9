import { messageOf } from "../errors.ts";
import type { Journal } from "../rent/journal.ts";
import { backgroundClient, type ClientWorld, findBackground } from "./client.ts";
import { keysOf } from "./keys.ts";

/** A run whose death the background process learns of the moment it happens. */
export interface RunWatch extends Disposable {
  /** Resolves when the background process knows of the run; with what went wrong where it cannot be reached. */
  readonly known: Promise<string | undefined>;
}

/** How long a start may take: renting goes on without, since the next command stops what a dead run leaves. */
const startTimeoutMs = 5_000;
const firstPauseMs = 100;
const longestPauseMs = 30_000;

/**
 * Holds a connection to the background process for as long as the run lives, and starts that process where there is
 * none. It is started again when it is killed.
 */
export function watchRun(world: ClientWorld, run: string): RunWatch {
  const over = new AbortController();
  const { promise: known, resolve } = Promise.withResolvers<string | undefined>();
  const hold = async () => {
    for (let pauseMs = firstPauseMs; !over.signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        using background = await backgroundClient(world, { signal: over.signal, startTimeoutMs });
        const close = () => background[Symbol.dispose]();
        over.signal.addEventListener("abort", close, { once: true });
        await background.watchRun({ run, keys: keysOf(world) });
        resolve(undefined);
        pauseMs = firstPauseMs;
        await background.closed;
        over.signal.removeEventListener("abort", close);
      } catch (error) {
        resolve(messageOf(error));
      }
      await world.clock.sleep(pauseMs, over.signal).catch(() => {});
    }
    resolve(undefined);
  };
  void hold();
  return { known, [Symbol.dispose]: () => over.abort(new Error("the run is over")) };
}

/**
 * Where something is rented, somebody must watch its lease: starts the background process again when it was killed.
 * Costs nothing where nothing is open, and never throws.
 */
export async function keepWatching(world: ClientWorld, journal: Journal): Promise<void> {
  if (journal.problem !== undefined || journal.launches({ open: true }).length === 0) return;
  try {
    using background = await findBackground(world) ?? await backgroundClient(world, { startTimeoutMs });
    await background.giveKeys(keysOf(world));
  } catch {
    // The machines' own leases and the next command are what is left; `gpu doctor` says what is wrong.
  }
}
