import { GpuError, messageOf } from "../errors.ts";
import { SshError } from "./failure.ts";
import { Link } from "./link.ts";
import { connectAgain } from "./reconnect.ts";
import type { Session } from "./session.ts";
import type { TunnelOptions, TunnelStatus } from "./tunnel.ts";
import type { Watchfulness } from "./watchfulness.ts";

/** A session that is opened again whenever it is lost or falls silent. */
export interface Links {
  /** Opens something over a session that answers; waits for the next one where this one is lost or silent. */
  open<T>(opening: Opening<T>): Promise<T>;
  status(): Pick<TunnelStatus, "state" | "reconnects" | "latencyMs" | "reason">;
  /** Resolves with the reason when it is over. */
  readonly ended: Promise<Error>;
}

export interface Opening<T> {
  attempt(link: Link): Promise<T>;
  /** Nobody waits for it any more. */
  isUnwanted(): boolean;
  /** For what opened too late: another session was taken meanwhile. */
  discard(opened: T): void;
}

export interface SuperviseOptions
  extends Pick<TunnelOptions, "world" | "connect" | "onEvent" | "giveUpAfterMs" | "waitMs">, Watchfulness {
  readonly signal: AbortSignal;
  /** Prepares a session: the first is not used before, and closed where it fails. */
  readonly prepare?: (link: Link) => Promise<void>;
}

/** How many may wait for a session at once. */
const waitersMax = 1024;

/** Connects once, and then keeps a session until the signal fires or trying again is pointless. */
export async function supervise(options: SuperviseOptions): Promise<Links> {
  const { world: { clock }, signal, onEvent, prepare, waitMs = 30_000 } = options;
  const linkOver = (session: Session) => new Link(session, { clock, ...options });
  const changes = new Set<() => void>();
  const retired = new Set<Link>();
  let current = linkOver(await options.connect(signal));
  let over: Error | undefined;
  let reason: string | undefined;
  let reconnects = 0;
  /** Of the session before, until this one was probed. */
  let latencyMs: number | undefined;
  let waiters = 0;

  try {
    await prepare?.(current);
  } catch (error) {
    await current.close(new Error("it could not be prepared"));
    throw error;
  }

  /** Goes on until the session answers again, or another one has taken its place. */
  const mend = async (): Promise<void> => {
    const before = current;
    const lost = before.end ?? new SshError("the other side does not answer", { reason: "lost" });
    const since = clock.monotonic();
    reason = lost.message;
    onEvent?.({ type: before.end ? "lost" : "silent", error: lost });
    const enough = new AbortController();
    const fresh = connectAgain(
      { ...options, signal: AbortSignal.any([signal, enough.signal]) },
      { lost, onFailure: (error) => reason = error.message },
    );
    const session = await Promise.race([fresh, before.until(({ isUsable }) => isUsable).then(() => undefined)]);
    const afterMs = Math.round(clock.monotonic() - since);
    reason = undefined;
    if (session === undefined) {
      enough.abort(new Error("it answers again"));
      fresh.then((unneeded) => unneeded[Symbol.asyncDispose](), () => {});
      onEvent?.({ type: "answers", afterMs });
      return;
    }
    latencyMs = before.latencyMs;
    current = linkOver(session);
    reconnects++;
    retired.add(before);
    void before.until(({ end }) => end !== undefined).then(() => retired.delete(before));
    before.retire();
    onEvent?.({ type: "reconnected", afterMs });
    void prepare?.(current).catch(() => {});
  };

  const keep = async (): Promise<never> => {
    for (;;) {
      await current.until(({ isUsable }) => !isUsable);
      signal.throwIfAborted();
      await mend();
      for (const changed of [...changes]) changed();
    }
  };
  const stop = () => void current.close(new Error("the tunnel was closed"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const ended = keep().catch(async (error: unknown) => {
    over = error instanceof Error ? error : new Error(messageOf(error));
    signal.removeEventListener("abort", stop);
    for (const changed of [...changes]) changed();
    await Promise.all([current, ...retired].map((link) => link.close(new Error("the tunnel is over"))));
    return over;
  });

  const waiting = new Waiting({ clock, waitMs, changes });
  const open = async <T>({ attempt, isUnwanted, discard }: Opening<T>, wait: Wait): Promise<T> => {
    for (;;) {
      await wait.until(() => over !== undefined || current.isUsable);
      if (over) throw over;
      if (isUnwanted()) throw new Error("nobody waits any more");
      const link = current;
      link.hurry();
      const trouble = Promise.withResolvers<undefined>();
      using _ = link.onChange(() => link.isUsable || trouble.resolve(undefined));
      const opening = attempt(link);
      const outcome = await Promise.race([
        opening.then((opened) => ({ opened }), (error: unknown) => ({ error })),
        trouble.promise,
      ]);
      if (outcome === undefined) opening.then(discard, () => {});
      else if ("opened" in outcome) return outcome.opened;
      else if (!(outcome.error instanceof SshError && outcome.error.reason === "lost")) throw outcome.error;
      // The link learns of the loss at about this moment.
      else await link.until(({ isUsable }) => !isUsable);
    }
  };

  return {
    ended,
    status: () => ({
      state: current.isUsable ? "open" : "reconnecting",
      reconnects,
      latencyMs: current.latencyMs ?? latencyMs,
      reason,
    }),
    async open(opening) {
      if (waiters >= waitersMax) throw new GpuError("too many connections wait for the tunnel to come back");
      waiters++;
      using wait = waiting.begin();
      try {
        return await open(opening, wait);
      } finally {
        waiters--;
      }
    },
  };
}

interface WaitingOptions {
  readonly clock: TunnelOptions["world"]["clock"];
  readonly waitMs: number;
  /** Called at each change. */
  readonly changes: Set<() => void>;
}

interface Wait extends Disposable {
  /** Rejects when the time that is left for waiting is over. */
  until(isSo: () => boolean): Promise<void>;
}

/** Waits for changes, each waiter no longer than it may from the first time that it has to. */
class Waiting {
  readonly #options: WaitingOptions;

  constructor(options: WaitingOptions) {
    this.#options = options;
  }

  begin(): Wait {
    const { clock, waitMs, changes } = this.#options;
    // Most need not wait, and pay for no timer.
    let enough: AbortController | undefined;
    let late: Promise<never> | undefined;
    return {
      async until(isSo) {
        if (isSo()) return;
        enough ??= new AbortController();
        late ??= clock.sleep(waitMs, enough.signal).then(() => {
          throw new GpuError(`the tunnel did not come back within ${waitMs / 1000} s`);
        });
        late.catch(() => {});
        const { promise, resolve } = Promise.withResolvers<void>();
        const look = () => isSo() && resolve();
        changes.add(look);
        try {
          await Promise.race([promise, late]);
        } finally {
          changes.delete(look);
        }
      },
      [Symbol.dispose]: () => enough?.abort(),
    };
  }
}
