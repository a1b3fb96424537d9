import type { Bindings } from "./journal-sql.ts";
import { forgottenWhy, type LaunchState, type Owner } from "./rows.ts";

/** A transition of a launch: the states it may start from, what changes, and its line in `gpu log`. */
export interface Move {
  readonly from: readonly LaunchState[];
  /** SQL for what changes; `@now` and `bindings` may stand in it. */
  readonly set: string;
  readonly bindings?: Bindings;
  readonly kind: string;
  readonly text: string;
}

export const sent: Move = {
  from: ["INTENDED"],
  set: "state = 'SENT', sentAt = @now",
  kind: "sent",
  text: "asked for a machine",
};

export function launched(instanceId: string, at: number | undefined): Move {
  // A slow answer may come after somebody else found this very machine and stopped it.
  const isGone = "state = 'STOPPED' AND instanceId = @instanceId";
  return {
    from: ["SENT", "STOPPING", "ABSENT", "STOPPED"],
    set: `state = CASE WHEN state = 'SENT' THEN 'LAUNCHED' WHEN ${isGone} THEN state ELSE 'STOPPING' END,
      stoppedAt = CASE WHEN ${isGone} THEN stoppedAt END,
      instanceId = @instanceId, launchedAt = coalesce(launchedAt, @at, sentAt, @now)`,
    bindings: { instanceId, at: at ?? null },
    kind: "launched",
    text: instanceId,
  };
}

export function ready(owner: Owner): Move {
  return {
    from: ["LAUNCHED"],
    set: "readyAt = coalesce(readyAt, @now), seenAt = coalesce(seenAt, @now), owner = @owner",
    bindings: { owner },
    kind: "ready",
    text: `kept by its ${owner}`,
  };
}

export function handedToLease({ leaseEndsAt, why }: { leaseEndsAt?: number; why?: string }): Move {
  return {
    from: ["LAUNCHED"],
    set: `owner = 'lease', leaseEndsAt = coalesce(@leaseEndsAt, leaseEndsAt), keepWhy = coalesce(@why, keepWhy)`,
    bindings: { leaseEndsAt: leaseEndsAt ?? null, why: why ?? null },
    kind: "kept",
    text: why ?? "kept by its lease",
  };
}

export function handedToRun(run: string): Move {
  return {
    from: ["LAUNCHED"],
    set: "owner = 'run', run = @run, keepWhy = NULL",
    bindings: { run },
    kind: "taken-over",
    text: `goes on in the run ${run}`,
  };
}

export function leaseMoved(leaseEndsAt: number): Move {
  return {
    from: ["LAUNCHED"],
    set: "leaseEndsAt = @leaseEndsAt",
    bindings: { leaseEndsAt },
    kind: "lease-moved",
    text: new Date(leaseEndsAt).toISOString(),
  };
}

export function renamed(name: string): Move {
  return { from: ["LAUNCHED"], set: "name = @name", bindings: { name }, kind: "renamed", text: name };
}

/** What was never sent is no machine. */
export function neverSent(why: string): Move {
  return {
    from: ["INTENDED"],
    set: "state = 'ABSENT', stoppedAt = @now, endWhy = @why, agentToken = NULL",
    bindings: { why },
    kind: "absent",
    text: why,
  };
}

/** With an id, a launch that had ended opens again. */
export function stopping(why: string, instanceId: string | undefined): Move {
  return {
    from: instanceId === undefined ? ["SENT", "LAUNCHED"] : ["SENT", "LAUNCHED", "ABSENT", "STOPPED"],
    set: `state = 'STOPPING', stoppingAt = coalesce(stoppingAt, @now), endWhy = coalesce(endWhy, @why),
      instanceId = coalesce(instanceId, @instanceId), stoppedAt = NULL`,
    bindings: { why, instanceId: instanceId ?? null },
    kind: "stopping",
    text: why,
  };
}

export function stopped(why: string, at: number | undefined): Move {
  return {
    from: ["LAUNCHED", "STOPPING"],
    set: "state = 'STOPPED', stoppedAt = coalesce(@at, @now), endWhy = coalesce(endWhy, @why), agentToken = NULL",
    bindings: { why, at: at ?? null },
    kind: "stopped",
    text: why,
  };
}

export function absent(why: string): Move {
  return {
    from: ["INTENDED", "SENT", "STOPPING"],
    set: "state = 'ABSENT', stoppedAt = @now, endWhy = coalesce(endWhy, @why), agentToken = NULL",
    bindings: { why },
    kind: "absent",
    text: why,
  };
}

/** Closes the row of a machine that may well live: nobody here looks for it again. */
export function forgotten(text: string): Move {
  return {
    from: ["INTENDED", "SENT", "LAUNCHED", "STOPPING"],
    set: `state = CASE WHEN instanceId IS NULL THEN 'ABSENT' ELSE 'STOPPED' END,
      stoppedAt = @now, endWhy = @why, agentToken = NULL`,
    bindings: { why: forgottenWhy },
    kind: "forgotten",
    text,
  };
}
