import { z } from "zod";

/** How a command on an instance ended, and what it printed. */
export const Execution = z.object({
  id: z.string().describe("instance it ran on"),
  exitCode: z.number().int().describe("its exit code; 128 and the signal's number where a signal ended it"),
  signal: z.string().nullable().describe("signal that ended it"),
  stdout: z.string().describe("what it printed; empty where that went to the terminal"),
  stderr: z.string().describe("its errors; empty where they went to the terminal"),
  encoding: z.enum(["utf8", "base64"]).describe("of stdout and stderr: base64 where they are not UTF-8"),
  durationMs: z.number().describe("from its start to its end, in milliseconds"),
});
export type Execution = z.output<typeof Execution>;
