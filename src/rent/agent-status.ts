import { z } from "zod";
import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import { oneLine } from "../safe-text.ts";
import { type AgentAnswer, agentRequest, type AgentRequestOptions, nameOf, NoAgent } from "./agent-request.ts";
import { reviveAgent } from "./agent-revive.ts";
import type { Launch } from "./rows.ts";

/** What both our agent and an existing status daemon say; a daemon's first version says less. */
const DaemonStatus = z.object({
  shutdown_at: z.string().nullish(),
  boot_time: z.string().nullish(),
  idle_minutes: z.number().nullish(),
  gpu_utilization: z.number().nullish(),
  server: z.string().optional(),
  sessions: z.number().nullish(),
  jobs_running: z.number().nullish(),
  idle_warning: z.string().nullish(),
  lease_warning: z.string().nullish(),
  ending: z.string().nullish(),
  can_end: z.boolean().optional(),
  gpus: z.array(z.object({ utilization: z.number().nullable() })).optional(),
});

/** What an instance says of itself. What it does not know is undefined. */
export interface AgentStatus {
  /** `gpu`: our agent, which takes an exact end of the lease; `daemon`: one that takes whole hours. */
  readonly server: "gpu" | "daemon";
  /** Whose token it took. */
  readonly asked: AgentAnswer["asked"];
  /** Per cent, the mean of all GPUs that say; a divided one does not. */
  readonly gpuUtilization: number | undefined;
  readonly idleMinutes: number | undefined;
  /** When it ends by what the instance itself knows. Milliseconds since 1970. */
  readonly shutdownAt: number | undefined;
  /** SSH connections to it. */
  readonly sessions: number | undefined;
  readonly jobsRunning: number | undefined;
  readonly idleWarning: string | undefined;
  readonly leaseWarning: string | undefined;
  /** Why it is being ended. */
  readonly ending: string | undefined;
  /** Whether it has what it takes to end its instance; undefined where it does not say. */
  readonly canEnd: boolean | undefined;
}

const patienceMs = 3_000;
/** Longer where it has to be started again. */
const revivalMs = 10_000;

/**
 * What the instance says of itself, for a listing: `undefined` when it does not answer soon. Never fails. An agent that
 * is gone is started again, and one that has lost its key is given it.
 */
export async function readAgentStatus(context: Context, launch: Launch): Promise<AgentStatus | undefined> {
  const soon = <T>(ms: number, ask: (within: Context) => Promise<T>) => inTime({ context, ms }, ask);
  const read = (within: Context) => {
    const options = { timeoutMs: patienceMs, connectTimeoutMs: patienceMs, signal: within.signal };
    return getAgentStatus(within, launch, options);
  };
  try {
    const status = await soon(patienceMs, read);
    if (status.canEnd !== false || !await isToEnd(context, launch)) return status;
    return await soon(revivalMs, (within) => reviveAgent(within, launch)) ? await soon(patienceMs, read) : status;
  } catch (error) {
    if (!(error instanceof NoAgent) || context.signal.aborted) return undefined;
    const revived = soon(
      revivalMs,
      async (within) => await reviveAgent(within, launch) ? await read(within) : undefined,
    );
    return await revived.catch(() => undefined);
  }
}

/** Whether the agent is to hold the lease, with a key of its own. */
async function isToEnd(context: Context, { provider }: Launch): Promise<boolean> {
  const { enforce = "reaper" } = (await context.config()).lease;
  return enforce !== "reaper" && (await context.provider(provider)).endEnvironment !== undefined;
}

/** The same context, with a signal that fires when the time is over too. */
async function inTime<T>(
  { context, ms }: { context: Context; ms: number },
  ask: (within: Context) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const late = context.world.clock.sleep(ms, over.signal).then(() => over.abort(), () => {});
  try {
    return await ask({ ...context, signal: AbortSignal.any([context.signal, over.signal]) });
  } finally {
    over.abort();
    await late;
  }
}

/** The same for who cannot go on without it. */
export async function getAgentStatus(
  context: Context,
  launch: Launch,
  options: AgentRequestOptions = {},
): Promise<AgentStatus> {
  const answer = await agentRequest(context, launch, "/status", options);
  const status = parseAnswerOf(answer, { schema: DaemonStatus, launch, asked: "for its status" });
  const known = (status.gpus ?? []).flatMap(({ utilization }) => utilization === null ? [] : [utilization]);
  // -1 is the daemon's word for not known.
  const first = (status.gpu_utilization ?? -1) < 0 ? undefined : status.gpu_utilization ?? undefined;
  const mean = known.length === 0 ? first : known.reduce((sum, value) => sum + value, 0) / known.length;
  const shutdownAt = Date.parse(status.shutdown_at ?? "");
  return {
    asked: answer.asked,
    server: status.server === "gpu" ? "gpu" : "daemon",
    gpuUtilization: mean === undefined ? undefined : Math.round(mean),
    idleMinutes: status.idle_minutes ?? undefined,
    shutdownAt: Number.isNaN(shutdownAt) ? undefined : shutdownAt,
    sessions: status.sessions ?? undefined,
    jobsRunning: status.jobs_running ?? undefined,
    idleWarning: plain(status.idle_warning),
    leaseWarning: plain(status.lease_warning),
    ending: plain(status.ending),
    canEnd: status.can_end,
  };
}

/** What a 200 answer says, or an error that tells what came instead: a status daemon's failures are web pages. */
export function parseAnswerOf<T>(
  answer: AgentAnswer,
  { schema, launch, asked }: { schema: z.ZodType<T>; launch: Launch; asked: string },
): T {
  const where = `the agent on \`${nameOf(launch)}\``;
  if (answer.status !== 200) {
    const said = z.object({ error: z.string() }).safeParse(jsonOf(answer.text)).data?.error;
    const why = said === undefined ? "" : `: ${plain(said)}`;
    throw new GpuError(`${where} answered ${answer.status} when asked ${asked}${why}`, {
      hint: answer.status >= 500 ? "its own log on the instance says more" : undefined,
    });
  }
  try {
    return schema.parse(JSON.parse(answer.text));
  } catch (error) {
    throw new GpuError(`${where} gave an answer that is not understood when asked ${asked}`, {
      hint: "another program may listen on its port",
      cause: new Error(messageOf(error).slice(0, 200)),
    });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a machine says goes to terminals. */
function plain(text: string | null | undefined): string | undefined {
  return text === null || text === undefined ? undefined : oneLine(text, 300);
}
