import { z } from "zod";

/** It is shown in commands to paste: nothing that a shell or a path could take for more. */
const JobId = z.string().regex(/^[\w-]{1,128}$/);

/** A job as the CI protocol describes it. */
export const Job = z.object({
  job_id: JobId,
  status: z.string(),
  success: z.boolean().nullable(),
  start_time: z.string().nullable(),
  end_time: z.string().nullable(),
});
export type Job = z.infer<typeof Job>;

/** Which of the server's jobs are asked for. */
export interface JobFilter {
  readonly status?: string;
  /** ISO time: jobs that began then or later, or have not begun. */
  readonly since?: string;
  /** Text in the id or the status. */
  readonly q?: string;
  readonly limit?: number;
}

/** What a followed job says, in this order: its id (when it was just submitted), its lines, its end. */
export type CiEvent =
  | { readonly type: "job_id"; readonly jobId: string; readonly resume?: string }
  /** One line with its newline; the last one may have none. */
  | { readonly type: "log"; readonly data: string }
  /** `reason` says what is known where the job itself said nothing. */
  | { readonly type: "complete"; readonly success: boolean; readonly reason?: string };

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

/** What this server can beyond the plain protocol. */
export const features = [
  "event-ids",
  "heartbeat",
  "last-event-id",
  "forward-only",
  "cancel",
  "idempotency-key",
  "args",
  "job-filter",
] as const;
export type Feature = (typeof features)[number];

/** Whether a job's outcome will not change any more. */
export function isOver(job: Job): boolean {
  return job.status !== "queued" && job.status !== "running" && job.status !== "pending";
}
