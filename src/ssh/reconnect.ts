import { GpuError } from "../errors.ts";
import type { World } from "../world.ts";
import { SshError } from "./failure.ts";
import type { Session } from "./session.ts";
import type { TunnelOptions } from "./tunnel.ts";

/** Thrown by `connect` where there is nothing to come back to: the machine was stopped. */
export class GoneError extends GpuError {
  override name = "GoneError";
}

type Options = Pick<TunnelOptions, "world" | "connect" | "onEvent" | "giveUpAfterMs"> & {
  readonly signal: AbortSignal;
};

interface Again {
  /** Why there is need of it. */
  readonly lost: Error;
  onFailure(error: Error): void;
}

const backoffMs = [100, 250, 500, 1000, 2000, 5000] as const;

/** Connects, at once and then with growing pauses, until it succeeds, trying again is pointless, or the time is over. */
export async function connectAgain(
  { world: { clock }, connect, signal, onEvent, giveUpAfterMs = Infinity }: Options,
  { lost, onFailure }: Again,
): Promise<Session> {
  // Of a clock that stands still while the computer sleeps: a night is no time without an answer.
  const since = clock.monotonic();
  for (let attempt = 0;; attempt++) {
    try {
      return await connect(signal);
    } catch (error) {
      if (!(error instanceof Error) || signal.aborted || isFinal(error)) throw error;
      onFailure(error);
      const inMs = backoffMs[Math.min(attempt, backoffMs.length - 1)] ?? 5000;
      if (clock.monotonic() + inMs - since > giveUpAfterMs) {
        const text = `the tunnel was given up after ${Math.round(giveUpAfterMs / 1000)} s: ${error.message}`;
        throw new GpuError(text, { cause: lost });
      }
      onEvent?.({ type: "retry", error, inMs });
      await pause(clock, inMs, signal);
    }
  }
}

/** Whether trying again is pointless: what answers there is not what we know, or cannot talk to us. */
function isFinal(error: Error): boolean {
  if (error instanceof GoneError) return true;
  return error instanceof SshError && (error.reason === "host-key" || error.reason === "algorithms");
}

/** A pause is made of pieces of this length, so that the end of a computer's sleep is noticed soon. */
const pieceMs = 1000;
/** The clock has gone on by so much more than it should have: the computer slept. */
const sleptMs = 3000;

/** Waits, but not on when the computer has slept meanwhile: what was out of reach before may be there now. */
export async function pause(clock: World["clock"], ms: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= pieceMs) {
    const expected = clock.now() + Math.min(leftMs, pieceMs);
    await clock.sleep(Math.min(leftMs, pieceMs), signal);
    if (clock.now() - expected > sleptMs) return;
  }
}
