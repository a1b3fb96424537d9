import { GpuError, messageOf } from "../errors.ts";
import type { Session } from "./session.ts";
import { SshError } from "./failure.ts";
import type { TunnelOptions, TunnelStatus } from "./tunnel.ts";

/** A session that is opened again whenever it is lost. */
export interface Links {
  /** Opens something over the session; waits for the next session where this one is lost. */
  open<T>(attempt: (session: Session) => Promise<T>, isUnwanted: () => boolean): Promise<T>;
  status(): Pick<TunnelStatus, "state" | "reconnects" | "latencyMs" | "reason">;
  /** Resolves with the reason when it is over. */
  readonly ended: Promise<Error>;
}

type Options = Pick<TunnelOptions, "world" | "connect" | "onEvent" | "giveUpAfterMs" | "probeEveryMs" | "waitMs"> & {
  readonly signal: AbortSignal;
};

const backoffMs = [100, 250, 500, 1000, 2000, 5000] as const;
const waitersMax = 256;

/** Connects once, and then keeps a session until the signal fires or trying again is pointless. */
export async function supervise(options: Options): Promise<Links> {
  const {
    world: { clock },
    connect,
    signal,
    onEvent,
    giveUpAfterMs = Infinity,
    probeEveryMs = 10_000,
    waitMs = 30_000,
  } = options;
  let current: Session | undefined = await connect(signal);
  let next = Promise.withResolvers<Session>();
  let waiters = 0;
  let reconnects = 0;
  let latencyMs: number | undefined;
  let reason: string | undefined;

  /** Resolves with what ended the session. */
  const watch = async (session: Session): Promise<Error> => {
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const probe = async () => {
      for (;;) {
        const isLate = clock.sleep(probeEveryMs, stop).then(() => {
          throw new Error(`no answer for ${probeEveryMs / 1000} s`);
        });
        latencyMs = await Promise.race([session.latency(), isLate]);
        isLate.catch(() => {});
        await clock.sleep(probeEveryMs, stop);
      }
    };
    try {
      const lost = await Promise.race([session.closed, probe()]);
      return lost ?? new Error("the session was closed");
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error));
    } finally {
      over.abort(new Error("over"));
      await session[Symbol.asyncDispose]();
    }
  };

  const reconnect = async (lost: Error): Promise<Session> => {
    const since = clock.now();
    for (let attempt = 0;; attempt++) {
      try {
        return await connect(signal);
      } catch (error) {
        if (!(error instanceof Error) || signal.aborted || isFinal(error)) throw error;
        reason = error.message;
        const inMs = backoffMs[Math.min(attempt, backoffMs.length - 1)] ?? 5000;
        if (clock.now() + inMs - since > giveUpAfterMs) {
          throw new GpuError(`the tunnel was given up after ${Math.round(giveUpAfterMs / 1000)} s: ${error.message}`, {
            cause: lost,
          });
        }
        onEvent?.({ type: "retry", error, inMs });
        await clock.sleep(inMs, signal);
      }
    }
  };

  const keep = async (session: Session): Promise<never> => {
    for (let living = session;;) {
      const lost = await watch(living);
      current = undefined;
      signal.throwIfAborted();
      reason = lost.message;
      onEvent?.({ type: "lost", error: lost });
      living = await reconnect(lost);
      reconnects++;
      reason = undefined;
      current = living;
      next.resolve(living);
      next = Promise.withResolvers();
      next.promise.catch(() => {});
      onEvent?.({ type: "reconnected" });
    }
  };

  const ended = keep(current).catch((error: unknown) => {
    current = undefined;
    const why = error instanceof Error ? error : new Error(messageOf(error));
    next.reject(why);
    return why;
  });
  next.promise.catch(() => {});

  const nextSession = async (): Promise<Session> => {
    if (waiters >= waitersMax) throw new GpuError("too many connections wait for the tunnel to come back");
    waiters++;
    const over = new AbortController();
    const isLate = clock.sleep(waitMs, over.signal).then(() => {
      throw new GpuError(`the tunnel did not come back within ${waitMs / 1000} s`);
    });
    try {
      return await Promise.race([next.promise, isLate]);
    } finally {
      waiters--;
      over.abort(new Error("over"));
      isLate.catch(() => {});
    }
  };

  return {
    ended,
    status: () => ({ state: current ? "open" : "reconnecting", reconnects, latencyMs, reason }),
    async open(attempt, isUnwanted) {
      for (;;) {
        const session = current ?? await nextSession();
        if (isUnwanted()) throw new Error("nobody waits any more");
        try {
          return await attempt(session);
        } catch (error) {
          if (!(error instanceof SshError && error.reason === "lost")) throw error;
          // The supervisor learns of the loss at about this moment.
          if (current === session) await session.closed;
          if (current === session) current = undefined;
        }
      }
    },
  };
}

/** Whether trying again is pointless: what answers there is not what we know, or cannot talk to us. */
function isFinal(error: Error): boolean {
  return error instanceof SshError && (error.reason === "host-key" || error.reason === "algorithms");
}
