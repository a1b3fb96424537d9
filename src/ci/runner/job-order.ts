import { z } from "zod";
import { Artifact, TestCounts } from "../job.ts";

/**
 * What a server and the process that runs one job for it tell each other is files in a folder of the job's own. The
 * process outlives a server that is killed; the next one finds there whether the job is over, and how it ended.
 */
export const jobFiles = {
  order: "order.json",
  /** Locked by the job's process as long as it lives. */
  alive: "alive",
  state: "state.json",
  /** Why it is to stop, written before it is told to. */
  stop: "stop",
  end: "end.json",
  /** Room for the end on a disk that the job has filled. */
  room: "room",
  /** The unpacked project, removed after the job. */
  project: "project",
  artifacts: "artifacts",
} as const;

/** What keeps a job from the rest of the computer. */
export const isolations = ["process", "bubblewrap"] as const;
export type Isolation = (typeof isolations)[number];

/** What one job may use; what is left out is not limited. */
export const JobLimits = z.object({
  /** The longest that any job may take, whatever its project says. */
  timeoutMs: z.number().optional(),
  /** Of all its processes together. */
  memoryBytes: z.number().optional(),
  processes: z.number().optional(),
  /** Cores, with fractions. */
  cpus: z.number().optional(),
  /** Of its folder: the project and all that its processes write there. */
  diskBytes: z.number().optional(),
  logBytes: z.number().optional(),
  /** Of the project when it is unpacked. */
  unpackedBytes: z.number().optional(),
  unpackedFiles: z.number().optional(),
  /** Of all its artifacts together. */
  artifactBytes: z.number().optional(),
});
export type JobLimits = z.infer<typeof JobLimits>;

/** One job to run, as `order.json` in its folder. */
export const JobOrder = z.object({
  id: z.string(),
  /** The upload; it is removed after the job. */
  archive: z.string(),
  /** Where the job's log is written, which may be there already. */
  log: z.string(),
  args: z.array(z.string()),
  /** What the job's processes see, beside what the project and its secrets add. */
  environment: z.record(z.string(), z.string().optional()),
  /** A folder with a `bun`, searched after the rest of PATH. */
  bunFolder: z.string().optional(),
  /** Folders that an isolated job must not see: the server's own data. */
  hidden: z.array(z.string()).default([]),
  limits: JobLimits,
  isolation: z.enum(isolations),
});
export type JobOrder = z.infer<typeof JobOrder>;

/** How a job ended, as `end.json` in its folder. */
export const JobEnd = z.object({
  success: z.boolean(),
  /** `lost`: whatever ran it is gone without a word. */
  status: z.enum(["completed", "cancelled", "lost"]),
  /** Milliseconds since 1970. */
  endedAt: z.number(),
  /** Counted in the JUnit or TAP that its tests wrote. */
  results: TestCounts.optional(),
  /** Files that were kept, in `artifacts` in its folder. */
  artifacts: z.array(Artifact),
});
export type JobEnd = z.infer<typeof JobEnd>;

/** The process that runs a job, as `state.json` in its folder. */
export const JobState = z.object({ pid: z.number().int().positive() });
export type JobState = z.infer<typeof JobState>;
