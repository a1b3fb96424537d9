// What the `ci` commands share: their parameters, their client, and how events look.
import { z } from "zod";
import type { Context, View } from "../command.ts";
import { activeProfile } from "../config.ts";
import { exitCodes, InterruptedError } from "../errors.ts";
import { safeText } from "../terminal/safe.ts";
import type { CiClient } from "./client.ts";
import type { CiEvent } from "./job.ts";

/** Where the server is and who asks: on every `ci` command. */
export const serverParams = {
  server: z.string().optional().meta({
    env: "CI_SERVER_URL",
    placeholder: "url",
    description: "address of the CI server; the profile's when left out, else http://localhost:8000",
  }),
  apiKey: z.string().optional().meta({
    env: "CI_API_KEY",
    placeholder: "key",
    description: "key for the CI server; from `~/.ci/config` or the profile when left out",
  }),
};

/** What a followed job says, one object each. */
export const CiEventOutput = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("job_id").describe("the job was taken; its log follows"),
    jobId: z.string().describe("id of the job"),
  }),
  z.object({
    type: z.literal("submitted").describe("the job was taken; nobody follows it"),
    jobId: z.string().describe("id of the job"),
  }),
  z.object({
    type: z.literal("log").describe("a line of the job's log"),
    data: z.string().describe("the line with its newline; the last one may have none"),
  }),
  z.object({
    type: z.literal("complete").describe("the job is over"),
    success: z.boolean().describe("whether its tests passed"),
    reason: z.string().optional().describe("what is known where the job itself said nothing"),
  }),
]);
export type CiEventOutput = z.output<typeof CiEventOutput>;

export async function clientOf(context: Context, flags: { server?: string; apiKey?: string }): Promise<CiClient> {
  const { ciClient } = await import("./client.ts");
  const { ciSettings } = await import("./settings.ts");
  const { world, globals, signal } = context;
  const configured = activeProfile(await context.config(), globals.profile).ci;
  return ciClient({ world, signal, ...await ciSettings(world, { flags, configured }) });
}

/** Log lines are the answer; all else is said beside it. */
export function viewEvent(event: CiEventOutput): View {
  if (event.type === "submitted") return `Job submitted: ${event.jobId}`;
  if (event.type === "job_id") {
    return { stderr: `Job ID: ${event.jobId}\nIf this is cut off, \`gpu ci wait ${event.jobId}\` goes on.\n` };
  }
  // A very long line comes in pieces, and the last line may have no end: what is printed is what was said.
  if (event.type === "log") return new TextEncoder().encode(safeText(event.data));
  return event.reason === undefined ? undefined : { stderr: event.reason };
}

export function exitOfEvent(event: CiEventOutput): number {
  return event.type === "complete" && !event.success ? exitCodes.failed : exitCodes.done;
}

/** Hands the events on; on Ctrl-C says that only the waiting stopped. */
export async function* followed(
  events: AsyncIterable<CiEvent>,
  { signal }: Context,
  knownId?: string,
): AsyncGenerator<CiEvent> {
  let jobId = knownId;
  try {
    for await (const event of events) {
      if (event.type === "job_id") jobId = event.jobId;
      yield event;
    }
  } catch (error) {
    if (!signal.aborted || jobId === undefined || !(signal.reason instanceof InterruptedError)) throw error;
    throw new InterruptedError(signal.reason.signal, {
      message: `stopped waiting; job ${jobId} goes on`,
      hint: `\`gpu ci wait ${jobId}\` follows it again`,
    });
  }
}
