import { addressText, SshError, type SshFailure } from "./failure.ts";
import { connect, type ConnectOptions, type Session } from "./session.ts";

export interface ReadyOptions extends Omit<ConnectOptions, "timeoutMs"> {
  /** Milliseconds since 1970. */
  readonly deadline: number;
  /** Called for each attempt that failed in a way that may pass. */
  readonly onRetry?: (error: SshError) => void;
}

const retryMs = [50, 100, 200, 400, 800, 1500] as const;

// A machine may answer SSH a little before it knows who may log in; for longer it is the wrong key.
const loginGraceMs = 30_000;

// One attempt: a machine that boots may take the connection and never speak.
const attemptMs = 10_000;

/** Connects to a machine that boots: tries again until it answers, or the deadline is over. */
export async function connectWhenReady({ deadline, onRetry, ...options }: ReadyOptions): Promise<Session> {
  const { world: { clock }, address, signal } = options;
  let refusedSince: number | undefined;
  for (let attempt = 0;; attempt++) {
    try {
      return await connect({ ...options, timeoutMs: Math.max(1, Math.min(attemptMs, deadline - clock.now())) });
    } catch (error) {
      if (!(error instanceof SshError) || !mayPass(error.reason)) throw error;
      const now = clock.now();
      if (error.reason === "login") refusedSince ??= now;
      if (refusedSince !== undefined && now - refusedSince > loginGraceMs) throw error;
      const waitMs = retryMs[Math.min(attempt, retryMs.length - 1)] ?? 1500;
      if (now + waitMs >= deadline) {
        throw new SshError(`\`${addressText(address)}\` did not get ready in time: ${error.message}`, {
          reason: error.reason,
          hint: error.hint,
          cause: error,
        });
      }
      onRetry?.(error);
      await clock.sleep(waitMs, signal);
    }
  }
}

/** What a machine that boots may show for a while. */
function mayPass(reason: SshFailure): boolean {
  return reason !== "host-key" && reason !== "algorithms";
}
