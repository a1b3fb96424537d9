// What the `ci` commands share: their parameters, their client, and how events look.
import { z } from "zod";
import type { Context, View } from "../../command.ts";
import { exitCodes, InterruptedError } from "../../errors.ts";
import type { CiClient, CiEventLots } from "./client.ts";
import { type CiEvent, countsText, TestCounts } from "../job.ts";

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

/** Which job: on every command for one. */
export const jobParam = z.string().meta({
  positional: true,
  complete: "job",
  description: "id of the job, or its beginning",
});

/** For commands that show what a job said. */
export const rawParam = z.boolean().default(false).describe(
  "show the log as it is: without it only colours reach the terminal, no titles, clipboards or cursor movements",
);

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
    status: z.enum(["cancelled", "lost"]).optional().describe("how it ended where its tests did not end it"),
    reason: z.string().optional().describe("what is known where the job itself said nothing"),
    results: TestCounts.optional().describe("how many tests passed, failed and were skipped, where that is known"),
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
  const { keyAgeWarning } = await import("./key-age.ts");
  const { world, globals, signal, progress, note } = context;
  const how = {
    world,
    signal,
    onTrouble: progress,
    onKeyAge: (age: Parameters<typeof keyAgeWarning>[0]) => {
      const warning = keyAgeWarning(age, world.clock.now());
      if (warning !== undefined) note(warning);
    },
  };
  if (instance !== undefined) {
    const { openInstanceServer } = await import("../../instance/ci-server.ts");
    const { server, apiKey, gone, close } = await openInstanceServer(context, instance);
    const client = ciClient({ ...how, server, apiKey, signal: AbortSignal.any([signal, gone]) });
    return { client, [Symbol.asyncDispose]: close };
  }
  const { activeProfile, profileName } = await import("../../config.ts");
  const { readSecret } = await import("../../secrets.ts");
  const config = await context.config();
  const settings = await ciSettings(world, { flags, configured: activeProfile(config, globals.profile).ci });
  // The keychain is asked only where nothing else has a key.
  const profile = profileName(config, globals.profile);
  const apiKey = settings.apiKey ?? await readSecret(world, `ci:${profile}`);
  const keyFrom = settings.keyFrom ?? `the profile \`${profile}\``;
  const client = ciClient({ ...how, server: settings.server, apiKey, keyFrom });
  return { client, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** The command that follows a job again, on the server that the flags of this one mean. */
export function resumeCommand({ world: { env }, globals }: Context, flags: ServerFlags, jobId: string): string {
  const { server, instance } = flags;
  return [
    `gpu ci wait ${jobId}`,
    ...(instance === undefined ? [] : [`--instance ${instance}`]),
    ...(server === undefined || server === env.CI_SERVER_URL || instance !== undefined ? [] : [`--server ${server}`]),
    ...(globals.profile === undefined || globals.profile === env.GPU_PROFILE ? [] : [`--profile ${globals.profile}`]),
  ].join(" ");
}

/** Log lines are the answer; all else is said beside it. */
export function viewEvent(event: CiEventOutput): View {
  if (event.type === "submitted") return `Job submitted: ${event.jobId}`;
  if (event.type === "job_id") {
    const resume = event.resume ?? `gpu ci wait ${event.jobId}`;
    return { stderr: `Job ID: ${event.jobId}\nIf this is cut off, \`${resume}\` goes on.\n` };
  }
  // A very long line comes in pieces, and the last line may have no end: what is printed is what was said.
  if (event.type === "log") return new TextEncoder().encode(event.data);
  const counts = event.results === undefined ? "" : `: ${countsText(event.results)}`;
  // A test line may end well whatever its report says; its exit code is what counts.
  const isOdd = event.success && (event.results?.failed ?? 0) > 0;
  const passed = isOdd ? "The test command ended with exit code 0" : "The tests passed";
  const failed = event.status === undefined ? "The tests failed" : `The job was ${event.status}`;
  const outcome = `${event.success ? passed : failed}${counts}.`;
  return { stderr: event.reason === undefined ? outcome : `${event.reason}\n${outcome}` };
}

export function exitOfEvent(event: { readonly type: string; readonly success?: boolean | null }): number {
  return event.type === "complete" && event.success === false ? exitCodes.failed : exitCodes.done;
}

interface FollowedOptions {
  readonly flags: ServerFlags;
  readonly isRaw: boolean;
  /** Known before the first event. */
  readonly jobId?: string;
}

/** Hands the events on; on Ctrl-C says that only the waiting stopped. */
export async function* followed(
  lots: CiEventLots,
  context: Context,
  { flags, isRaw, jobId: known }: FollowedOptions,
): AsyncGenerator<CiEvent> {
  let jobId = known;
  const { signal } = context;
  try {
    for await (const lot of shown(lots, context, isRaw)) {
      for (const event of lot) {
        if (event.type === "job_id") jobId = event.jobId;
        yield event;
      }
    }
  } catch (error) {
    if (!signal.aborted || !(signal.reason instanceof InterruptedError)) throw error;
    if (jobId === undefined) {
      throw new InterruptedError(signal.reason.signal, {
        message: "stopped before the server named a job",
        hint: "`gpu ci list` shows whether it made one",
      });
    }
    throw new InterruptedError(signal.reason.signal, {
      message: `stopped waiting; job ${jobId} goes on`,
      hint: `\`${resumeCommand(context, flags, jobId)}\` follows it again`,
    });
  }
}

/**
 * What a person sees of a log: harmless for the terminal, and all lines that came together at once, since a million of
 * them are not to be printed one by one. Programs get each line as it is.
 */
export async function* shown(lots: CiEventLots, { attached, globals }: Context, isRaw: boolean): CiEventLots {
  if (attached === undefined) return yield* lots;
  const { LogText } = await import("../../terminal/log-text.ts");
  const text = isRaw ? undefined : new LogText({ isColored: globals.color });
  for await (const lot of lots) {
    const lines = lot.flatMap((event) => (event.type === "log" ? [event.data] : [])).join("");
    const others = lot.filter(({ type }) => type !== "log");
    const isLast = others.some(({ type }) => type === "complete");
    const data = text === undefined ? lines : text.write(lines) + (isLast ? text.end() : "");
    // The end comes behind the lines; an id comes alone.
    yield [...(data === "" ? [] : [{ type: "log" as const, data }]), ...others];
  }
}
