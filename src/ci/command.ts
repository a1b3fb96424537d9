// What the `ci` commands share: their parameters, their client, and how events look.
import { z } from "zod";
import type { Context, View } from "../command.ts";
import { exitCodes, InterruptedError } from "../errors.ts";
import { safeText } from "../safe-text.ts";
import type { CiClient } from "./client.ts";
import type { CiEvent } from "./job.ts";

/** Where the server is and who asks: on every `ci` command. */
export const serverParams = {
  server: z.string().optional().meta({
    env: "CI_SERVER_URL",
    placeholder: "url",
    description: "address of the CI server; the profile's when left out, else http://localhost:8000",
  }),
  instance: z.string().optional().meta({
    complete: "instance",
    description: "the CI server of this instance, through a tunnel that is open as long as the command",
  }),
  apiKey: z.string().optional().meta({
    env: "CI_API_KEY",
    placeholder: "key",
    description: "key for the CI server; from `~/.ci/config` or the profile when left out",
  }),
};

/** What a followed job says, one object each; or that nobody follows it. */
export type CiEventOutput = CiEvent | { readonly type: "submitted"; readonly jobId: string };
export const CiEventOutput: z.ZodType<CiEventOutput> = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("job_id").describe("the job was taken; its log follows"),
    jobId: z.string().describe("id of the job"),
    resume: z.string().optional().describe("command that follows it again"),
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

export interface ServerFlags {
  readonly server?: string;
  readonly apiKey?: string;
  readonly instance?: string;
}

/** A client, and the tunnel it may need. */
export interface OpenClient extends AsyncDisposable {
  readonly client: CiClient;
}

/** The client that the flags, the environment and the profile mean. */
export async function openClient(context: Context, { instance, ...flags }: ServerFlags): Promise<OpenClient> {
  const { ciClient } = await import("./client.ts");
  const { ciSettings } = await import("./settings.ts");
  const { world, globals, signal } = context;
  if (instance !== undefined) {
    const { openInstanceServer } = await import("../instance/ci-server.ts");
    const { server, apiKey, close } = await openInstanceServer(context, instance);
    return { client: ciClient({ world, signal, server, apiKey }), [Symbol.asyncDispose]: close };
  }
  const { activeProfile, profileName } = await import("../config.ts");
  const { readSecret } = await import("../secrets.ts");
  const config = await context.config();
  const settings = await ciSettings(world, { flags, configured: activeProfile(config, globals.profile).ci });
  // The keychain is asked only where nothing else has a key.
  const apiKey = settings.apiKey ?? await readSecret(world, `ci:${profileName(config, globals.profile)}`);
  const client = ciClient({ world, signal, ...settings, apiKey });
  return { client, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** Log lines are the answer; all else is said beside it. */
export function viewEvent(event: CiEventOutput): View {
  if (event.type === "submitted") return `Job submitted: ${event.jobId}`;
  if (event.type === "job_id") {
    const resume = event.resume ?? `gpu ci wait ${event.jobId}`;
    return { stderr: `Job ID: ${event.jobId}\nIf this is cut off, \`${resume}\` goes on.\n` };
  }
  // A very long line comes in pieces, and the last line may have no end: what is printed is what was said.
  if (event.type === "log") return new TextEncoder().encode(safeText(event.data));
  const outcome = event.success ? "The tests passed." : "The tests failed.";
  return { stderr: event.reason === undefined ? outcome : `${event.reason}\n${outcome}` };
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
