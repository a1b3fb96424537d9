/** How closely a session is watched. All in milliseconds; what is left out has a default that suits a tunnel. */
export interface Watchfulness {
  /** Between two probes while something goes through it; 1 s. */
  readonly busyProbeMs?: number;
  /** Between two probes while nothing does; 2 s. */
  readonly idleProbeMs?: number;
  /** A probe without an answer for as long makes the session doubtful; 1.5 s, and more where answers took long before. */
  readonly answerMs?: number;
  /** A session that was silent for as long is dead; 60 s. */
  readonly deadAfterMs?: number;
  /** The same for one that has a successor: the other side lives, so this one will hardly speak again; 10 s. */
  readonly replacedDeadAfterMs?: number;
}

/** What is left out, with its default. */
export function limitsOf(given: Watchfulness): Required<Watchfulness> {
  return {
    busyProbeMs: given.busyProbeMs ?? 1000,
    idleProbeMs: given.idleProbeMs ?? 2000,
    answerMs: given.answerMs ?? 1500,
    deadAfterMs: given.deadAfterMs ?? 60_000,
    replacedDeadAfterMs: given.replacedDeadAfterMs ?? 10_000,
  };
}
