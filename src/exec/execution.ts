import { z } from "zod";

/** How it went on one machine. */
export const Status = z.enum(["ok", "failed", "timeout", "unreachable", "interrupted", "started"]);
export type Status = z.output<typeof Status>;

/** What became of a command on one of many machines. */
export const HostExecution = z.object({
  host: z.string().describe("machine, as it was called"),
  id: z.string().describe("instance it ran on, or the address of the host"),
  status: Status.describe(
    "`failed`: it ran and its exit code is not 0; `unreachable`: nobody could log in, or the connection was lost; `started`: it goes on by itself",
  ),
  exitCode: z.number().int().nullable().describe(
    "its exit code; 128 and the signal's number where a signal ended it; null where its end is not known",
  ),
  signal: z.string().nullable().describe("signal that ended it"),
  stdout: z.string().describe("what it printed; empty where that went to the terminal or a file"),
  stderr: z.string().describe("its errors; empty where they went to the terminal or a file"),
  encoding: z.enum(["utf8", "base64"]).describe("of stdout and stderr: base64 where they are not UTF-8"),
  truncated: z.boolean().describe("it printed more than is kept in memory; `--output-dir` keeps all"),
  error: z.string().nullable().describe("why it is unreachable, was ended or is not known"),
  job: z.string().optional().describe("with `--detach`: id of the job that goes on"),
  durationMs: z.number().describe("from the first attempt to log in to its end, in milliseconds"),
});
export type HostExecution = z.output<typeof HostExecution>;
