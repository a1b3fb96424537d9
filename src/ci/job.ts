import { z } from "zod";

/** It is shown in commands to paste: nothing that a shell or a path could take for more. */
const JobId = z.string().regex(/^[\w-]{1,128}$/);

/** How many tests passed, failed and were skipped, as a job's own report says (JUnit or TAP). */
export const TestCounts = z.object({
  passed: z.number().int().nonnegative().describe("tests that passed"),
  failed: z.number().int().nonnegative().describe("tests that failed"),
  skipped: z.number().int().nonnegative().describe("tests that were skipped"),
});
export type TestCounts = z.infer<typeof TestCounts>;

/** `142 passed, 3 failed, 2 skipped`. */
export function countsText({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** A job as the CI protocol describes it; what is optional only our own server says. */
export const Job = z.object({
  job_id: JobId.describe("id of the job"),
  status: z.string().describe("`queued`, `running`, `completed`, `cancelled` or `lost`, or another word of the server"),
  success: z.boolean().nullable().describe("its tests passed; null until it is over"),
  start_time: z.string().nullable().describe("when it began to run; null before"),
  end_time: z.string().nullable().describe("when it was over; null before"),
  /** Feature `names`. */
  name: z.string().nullable().optional().describe("what the submission called it; null without a name"),
  /** Feature `names`. */
  tags: z.array(z.string()).optional().describe("words that the submission gave it"),
  created_at: z.string().optional().describe("when it was submitted"),
  /** Feature `results`. */
  results: TestCounts.nullable().optional().describe(
    "how many tests passed; null where there is no report, or not yet",
  ),
});
export type Job = z.infer<typeof Job>;

/** Feature `artifacts`: a file that a job left. `GET /jobs/{id}/artifacts` lists them. */
export const Artifact = z.object({
  /** Relative to the project, with `/`. `GET /jobs/{id}/artifacts/{name}` has its bytes, each part percent-encoded. */
  name: z.string(),
  /** In bytes. */
  size: z.number().int().nonnegative(),
});
export type Artifact = z.infer<typeof Artifact>;

/**
 * What goes with an upload beside its part `file`, a form field each that stands before it.
 * Feature `args`: `args`, a JSON list of text. Feature `names`: `name`, text, and `tags`, a JSON list of text.
 * Feature `env`: `env`, a JSON object of text: variables for the job, which may be secrets.
 */
export interface SubmitFields {
  /** Arguments for the test command. */
  readonly args?: readonly string[];
  /** What the job is called in lists. */
  readonly name?: string;
  /** Words it is found by. */
  readonly tags?: readonly string[];
  /** Variables for the job, secrets too: no log shows them. */
  readonly env?: Readonly<Record<string, string>>;
}

/** ISO times of the key that was presented; on every answer to one. An absent `expires`: it does not end. */
export const keyHeaders = { created: "x-gpu-key-created", expires: "x-gpu-key-expires" } as const;

/** What `JobFilter.status` may be: the states there are, of a plain server and of our own, and what came of a job that is over. */
export const askedStates = ["queued", "running", "completed", "passed", "failed", "cancelled", "lost"] as const;

/** Which of the server's jobs are asked for. */
export interface JobFilter {
  readonly status?: string;
  /** ISO time: jobs that began then or later, or have not begun. */
  readonly since?: string;
  /** Text in the id, the status, the name or a tag, in any case. */
  readonly q?: string;
  readonly limit?: number;
}

/** What a followed job says, in this order: its id (when it was just submitted), its lines, its end. */
export type CiEvent =
  | {
    /** It was submitted. */
    readonly type: "job_id";
    /** Id of the job. */
    readonly jobId: string;
    /** What continues the log where it broke off. */
    readonly resume?: string;
  }
  | {
    /** It printed something. */
    readonly type: "log";
    /** One line with its newline; the last one may have none. */
    readonly data: string;
  }
  | {
    /** It is over. */
    readonly type: "complete";
    /** Its tests passed. */
    readonly success: boolean;
    /** How it ended where its tests did not end it. */
    readonly status?: "cancelled" | "lost";
    /** What is known where the job itself said nothing. */
    readonly reason?: string;
    /** How many tests passed, failed and were skipped, where that is known. */
    readonly results?: TestCounts;
  };

/** The end of a job that is over. */
export function endOf(job: Job): Extract<CiEvent, { type: "complete" }> {
  const status = job.status === "cancelled" || job.status === "lost" ? job.status : undefined;
  return { type: "complete", success: job.success === true, ...(status !== undefined && { status }) };
}

/** An event on the wire. */
export const WireEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("job_id"), job_id: JobId }),
  z.object({ type: z.literal("log"), data: z.string() }),
  z.object({ type: z.literal("complete"), success: z.boolean() }),
]);
export type WireEvent = z.infer<typeof WireEvent>;

/** `GET /health`; a plain server says only its status. */
export const Health = z.object({
  status: z.string(),
  server: z.string().optional(),
  features: z.array(z.string()).default([]),
});
export type Health = z.infer<typeof Health>;

/**
 * What this server can beyond the plain protocol. `log`: `GET /jobs/{id}/log?tail=N` is what a job has said so far, as
 * `text/plain`, all of it without `tail`.
 */
export const features = [
  "event-ids",
  "heartbeat",
  "last-event-id",
  "forward-only",
  "cancel",
  "idempotency-key",
  "args",
  "job-filter",
  "names",
  "env",
  "results",
  "artifacts",
  "log",
] as const;
/** Features that a server may have; it names those it has in `GET /health`. `open`: it asks for no key. */
export type Feature = (typeof features)[number] | "open";

/** Whether a job's outcome will not change any more. */
export function isOver(job: Job): boolean {
  return job.status !== "queued" && job.status !== "running" && job.status !== "pending";
}
