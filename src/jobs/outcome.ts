import type { Job } from "./job.ts";
import type { KnownJob } from "./kept.ts";
import { hasGap, type JobReport, lengthOf } from "./report.ts";

/** A job as far as it is known: what its machine says, or why that says nothing. */
export function jobOf(known: KnownJob, report: JobReport | undefined, problem?: Pick<Job, "state" | "reason">): Job {
  const end = report ? endOf(known, report) : known.end ?? { ...running, ...problem };
  const { stdout = [], stderr = [] } = report?.parts ?? {};
  return {
    id: known.id,
    name: known.name,
    host: known.machine.name,
    state: end.state,
    exitCode: end.exitCode,
    command: known.command,
    startedAt: isoOf(known.startedAt),
    endedAt: isoOf(end.endedAt),
    stdoutBytes: report ? lengthOf(stdout) : null,
    stderrBytes: report ? lengthOf(stderr) : null,
    truncated: report !== undefined && (report.isDropped || hasGap(stdout) || hasGap(stderr)),
    reason: end.reason,
  };
}

const running = { state: "running", exitCode: null, endedAt: null, reason: null } as const;

/** How it ended, by its machine; null where it has not. Its clock may be wrong: only the time between two looks at it counts. */
export function endOf(known: KnownJob, report: JobReport): NonNullable<KnownJob["end"]> {
  const { state, exitCode, stopSignal, startedAt, endedAt } = report;
  const tookMs = startedAt === null || endedAt === null ? null : Math.max(0, endedAt - startedAt) * 1000;
  const ended = tookMs === null || known.startedAt === null ? null : known.startedAt + tookMs;
  const isStopped = stopSignal !== null;
  switch (state) {
    case "running":
      return running;
    case "ended":
      return {
        state: isStopped ? "stopped" : exitCode === 0 ? "ok" : "failed",
        exitCode,
        endedAt: ended,
        reason: null,
      };
    case "rebooted":
      return { state: "lost", exitCode: null, endedAt: null, reason: "its machine was rebooted" };
    case "orphaned":
      return {
        state: "lost",
        exitCode: null,
        endedAt: null,
        reason: "what watched it was killed; it still runs, but its output and its exit code may not be kept",
      };
    case "lost":
      return isStopped
        ? { state: "stopped", exitCode: null, endedAt: null, reason: null }
        : { state: "lost", exitCode: null, endedAt: null, reason: "what watched it was killed" };
  }
}

/** Whether nothing will change any more. */
export function isOver({ state }: Pick<JobReport, "state">): boolean {
  return state !== "running" && state !== "orphaned";
}

/** A job that was started somewhere else, as its machine tells of it. */
export function knownFrom(report: JobReport, machine: KnownJob["machine"]): KnownJob {
  const { id, record, startedAt } = report;
  return {
    id,
    name: record?.name ?? null,
    batch: record?.batch ?? id,
    command: record?.command ?? "",
    machine,
    startedAt: startedAt === null ? null : startedAt * 1000,
    isConfirmed: true,
    end: null,
    read: { stdout: 0, stderr: 0 },
  };
}

function isoOf(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
