import { z } from "zod";
import type { Table, ViewOptions } from "../command.ts";
import { spanText } from "../duration.ts";
import { oneLine } from "../safe-text.ts";

/** How a job is. */
export const JobState = z.enum([
  "running",
  "ok",
  "failed",
  "stopped",
  "lost",
  "not started",
  "unreachable",
  "machine gone",
]);
export type JobState = z.output<typeof JobState>;

/** A command that goes on by itself on a machine. */
export const Job = z.object({
  id: z.string().describe("its id"),
  name: z.string().nullable().describe("its name"),
  host: z.string().describe("machine it is on, as it was called"),
  state: JobState.describe(
    "`lost`: it ended and nobody knows how, as when its machine was rebooted; `unreachable`: its machine does not answer",
  ),
  exitCode: z.number().int().nullable().describe(
    "its exit code, once it has ended; 128 and a signal's number after a signal",
  ),
  command: z.string().describe("what was started"),
  startedAt: z.iso.datetime().nullable().describe("when it was started"),
  endedAt: z.iso.datetime().nullable().describe("when it ended"),
  stdoutBytes: z.number().nullable().describe("how much it printed so far; null where its machine was not asked"),
  stderrBytes: z.number().nullable().describe("of errors"),
  truncated: z.boolean().describe(
    "the middle of what it printed is not kept, since it was too much, or the disk was full",
  ),
  reason: z.string().nullable().describe("why it is lost, unreachable or not started"),
});
export type Job = z.output<typeof Job>;

/** What a person calls it: `train (j-3f9a1c)`. */
export function jobLabel({ id, name }: Pick<Job, "id" | "name">): string {
  return name === null ? id : `${oneLine(name)} (${id})`;
}

/** How it is, in words: `failed (3)`. */
export function stateText({ state, exitCode }: Pick<Job, "state" | "exitCode">): string {
  return exitCode === null || state === "ok" ? state : `${state} (${exitCode})`;
}

/** What a job that is waited for makes of our exit code: its own, and 255 where nobody knows how it ended. */
export function exitCodeOf({ state, exitCode }: Pick<Job, "state" | "exitCode">): number {
  if (state === "running") return timeoutExitCode;
  if (state === "ok" || state === "failed" || state === "stopped") return exitCode ?? unknownExitCode;
  return unknownExitCode;
}

/** As timeout(1), and as ssh where the connection is to blame. */
const timeoutExitCode = 124;
const unknownExitCode = 255;

/** The jobs as a table. */
export function jobTable(jobs: readonly Job[], { now }: ViewOptions, empty: string): Table {
  return {
    columns: ["id", "name", "host", "state", "started", "command"],
    rows: jobs.map((job) => [
      job.id,
      oneLine(job.name ?? "-"),
      oneLine(job.host),
      stateText(job),
      job.startedAt === null ? "-" : `${spanText(now - Date.parse(job.startedAt))} ago`,
      oneLine(job.command, 200),
    ]),
    narrow: [{ column: "command", min: 16 }, { column: "started" }, { column: "host", min: 8 }, {
      column: "name",
      min: 8,
    }],
    empty,
  };
}
