import { z } from "zod";
import type { View } from "../../command.ts";
import { oneLine } from "../../safe-text.ts";

/** What a CI server says, one object each. */
export const ServeEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("listening").describe("jobs are taken from now on"),
    url: z.string().describe("address of the server, for `CI_SERVER_URL`"),
    data: z.string().describe("folder of its jobs, users and keys"),
    parallel: z.number().int().describe("how many jobs run at a time"),
    isolation: z.string().describe("what keeps jobs from the rest of the computer"),
    open: z.boolean().describe("whether everybody on this computer may submit without a key"),
    users: z.number().int().describe("how many users there are"),
    running: z.number().int().describe("jobs of the server before this one that still run"),
    queued: z.number().int().describe("jobs of the server before this one that wait"),
  }),
  z.object({
    type: z.literal("job").describe("a job is over"),
    at: z.iso.datetime().describe("when it ended"),
    job_id: z.string().describe("id of the job"),
    user_id: z.string().describe("whose job it was; empty without users"),
    user_email: z.string().describe("address of that user; empty without users"),
    name: z.string().nullable().describe("what it was called"),
    status: z.string().describe("completed, cancelled or lost"),
    success: z.boolean().describe("whether its tests passed"),
    seconds: z.number().nullable().describe("how long it ran; null when it never began"),
  }),
  z.object({
    type: z.literal("stopping").describe("no job is taken any more; those that run come to their end"),
    running: z.number().int().describe("jobs that run"),
    queued: z.number().int().describe("jobs that wait, for the next server of this folder"),
  }),
  z.object({
    type: z.literal("stopped").describe("it serves no more"),
    exitCode: z.number().int().nullable().describe("of the command that was run, null without one"),
    queued: z.number().int().describe("jobs that wait, for the next server of this folder"),
  }),
]);
export type ServeEvent = z.output<typeof ServeEvent>;

/** The address and each job are the answer; what happens to the server itself is said beside it. */
export function viewServeEvent(event: ServeEvent): View {
  const text = serveEventText(event);
  if (event.type === "listening" || event.type === "job") return text;
  return text === "" ? undefined : { stderr: text };
}

/** An event as a line, the first one as several. */
export function serveEventText(event: ServeEvent): string {
  if (event.type === "listening") return listeningText(event);
  if (event.type === "stopping") {
    const { running, queued } = event;
    const waiting = queued === 0 ? "" : `; ${jobs(queued)} will wait for the next start`;
    return `no more jobs are taken; waiting for ${jobs(running)} to end, once more stops ${
      running === 1 ? "it" : "them"
    }${waiting}`;
  }
  if (event.type === "stopped") return event.queued === 0 ? "" : `${jobs(event.queued)} waiting for the next start`;
  const { at, job_id, user_email, name, status, success, seconds } = event;
  const outcome = status === "completed" ? (success ? "passed" : "failed") : `was ${status}`;
  const who = [name === null ? "" : oneLine(name, 60), user_email].filter((word) => word !== "").join(", ");
  return [
    at.slice(0, 19).replace("T", " "),
    job_id,
    seconds === null ? outcome : `${outcome} in ${seconds} s`,
    who === "" ? "" : `(${who})`,
  ].filter((word) => word !== "").join(" ");
}

function listeningText(
  { url, data, parallel, isolation, open, users, running, queued }: Extract<ServeEvent, { type: "listening" }>,
): string {
  const left = [running > 0 ? `${jobs(running)} still running` : "", queued > 0 ? `${jobs(queued)} waiting` : ""]
    .filter((text) => text !== "").join(", ");
  const key = open ? "" : "CI_API_KEY=<key> ";
  return [
    `serving CI at ${url}, ${parallel === 1 ? "one job" : `${parallel} jobs`} at a time, ` +
    `isolation: ${isolation}, data in ${data}`,
    ...(left === "" ? [] : [`from before: ${left}`]),
    open ? "open: everybody on this computer may submit" : `${users === 1 ? "one user" : `${users} users`}`,
    ...(open || users > 0 ? [] : ["make one with `gpu ci user create`, and a key with `gpu ci key create`"]),
    `submit with \`${key}gpu ci submit test --server ${url}\``,
  ].join("\n");
}

function jobs(count: number): string {
  return count === 1 ? "1 job" : `${count} jobs`;
}
