import type { AgentStatus } from "./agent-status.ts";

/** The configuration's `lease.idle`. */
export interface IdleRule {
  readonly afterMs: number;
  readonly then: "stop" | "warn";
}

/** What the agent of an instance says of its use. */
export type Use = Pick<AgentStatus, "server" | "idleMinutes" | "sessions" | "jobsRunning">;

/** What is to be done about an instance, and after how many milliseconds to look again. */
export interface IdleVerdict {
  /** `unknown`: it cannot be told whether somebody uses it, so nothing ends it. */
  readonly verdict: "in use" | "warn" | "stop" | "unknown";
  readonly nextMs: number;
}

/** No instance is asked more often. */
export const soonestMs = 60_000;
/** As the agent itself warns. */
const longestWarningMs = 10 * 60_000;
/** What is stopped was warned of at least so long ago, or half of the rule's time where that is less. */
const graceMs = 5 * 60_000;
const unknownAgainMs = 10 * 60_000;

/**
 * The rule, without the doing. Only an answer of our own agent, which knows GPUs, jobs and live SSH sessions, ends an
 * instance, and never without a warning since it was used last. Times are milliseconds since 1970.
 */
export function judgeIdle(
  use: Use,
  { rule: { afterMs }, warnedAt, now }: { rule: IdleRule; warnedAt: number | undefined; now: number },
): IdleVerdict {
  const { server, idleMinutes, sessions, jobsRunning = 0 } = use;
  if (server !== "gpu" || idleMinutes === undefined || sessions === undefined) {
    return { verdict: "unknown", nextMs: unknownAgainMs };
  }
  const leadMs = Math.min(longestWarningMs, afterMs / 2);
  const idleMs = sessions > 0 || jobsRunning > 0 ? 0 : idleMinutes * 60_000;
  if (idleMs < afterMs - leadMs) return { verdict: "in use", nextMs: Math.max(soonestMs, afterMs - leadMs - idleMs) };
  // A warning from before it was used last does not count.
  const isWarned = warnedAt !== undefined && warnedAt >= now - idleMs;
  const warnedForMs = isWarned ? now - warnedAt : 0;
  const neededMs = Math.min(graceMs, leadMs);
  if (isWarned && idleMs >= afterMs && warnedForMs >= neededMs) return { verdict: "stop", nextMs: soonestMs };
  return { verdict: "warn", nextMs: Math.max(soonestMs, afterMs - idleMs, neededMs - warnedForMs) };
}
