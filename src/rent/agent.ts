import type { Context } from "../command.ts";
import { durationMs } from "../duration.ts";
import { GpuError, messageOf } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";
import { oneLine } from "../safe-text.ts";
import type { Session } from "../ssh/session.ts";
import { bringBinary, lookAround, pickPresent, type There, whoAnswers } from "./agent-bring.ts";
import { agentRequest, nameOf } from "./agent-request.ts";
import { logScript, startScript } from "./agent-scripts.ts";
import { AgentSource } from "./agent-source.ts";
import { connectInstance } from "./connect.ts";
import { runScript } from "./remote-script.ts";
import type { Launch } from "./rows.ts";

export { agentRequest } from "./agent-request.ts";
export { type AgentStatus, readAgentStatus } from "./agent-status.ts";

/** What became of it: it was there, it was started, or there is none and why. */
export type AgentOutcome = { readonly state: "running" | "started" } | { readonly state: "none"; readonly why: string };

export interface InstallOptions {
  /** Instead of this executable: `--agent-binary`. */
  readonly agentBinary?: string;
  /** The executables that come into question, where they were made ready before. */
  readonly source?: AgentSource;
  /** Nothing is uploaded: it is started where it was once. */
  readonly isOnlyStarted?: boolean;
}

const unknownToken: AgentOutcome = { state: "none", why: "its token is not known here" };

/** An agent on its way to an instance. */
export type Brought = { readonly hash: string } | AgentOutcome;

/**
 * Sees to it that an instance which is ready has its agent. Without one it can still be used, so nothing that goes wrong
 * here is an error: it is said. `begun`: a session that is open, and what was begun there.
 */
export async function ensureAgent(
  context: Context,
  launch: Launch,
  { begun, ...options }: InstallOptions & { begun?: { session: Session; brought: Promise<Brought> } } = {},
): Promise<void> {
  const { world, signal, note } = context;
  const { facts } = await context.provider(launch.provider);
  const { lease } = await context.config();
  if (facts.bringsAgent && lease.idle === undefined) return;
  try {
    await using opened = begun === undefined ? await connectInstance(world, launch, signal) : undefined;
    const session = begun?.session ?? opened;
    if (session === undefined) return;
    if (facts.bringsAgent) return await sendIdleRule(context, launch, session);
    const brought = await (begun?.brought ?? bringAgent(context, launch, session, options));
    const outcome = await startBrought(context, launch, session, brought);
    if (outcome.state === "none") note(`no agent on ${nameOf(launch)}: ${outcome.why}`);
  } catch (error) {
    signal.throwIfAborted();
    note(`no agent on ${nameOf(launch)}: ${messageOf(error)}`);
  } finally {
    context.progress(undefined);
  }
}

/** Puts the agent on an instance and starts it, unless it runs there. It outlives the session. */
export async function installAgent(
  context: Context,
  launch: Launch,
  session: Session,
  options: InstallOptions = {},
): Promise<AgentOutcome> {
  return await startBrought(context, launch, session, await bringAgent(context, launch, session, options));
}

/** All of an installation but the start: what may happen before it is known whether the instance is kept. */
export async function bringAgent(
  context: Context,
  launch: Launch,
  session: Session,
  { agentBinary, isOnlyStarted = false, source = new AgentSource(context.world, agentBinary) }: InstallOptions = {},
): Promise<Brought> {
  const [there, around] = await Promise.all([
    whoAnswers(context, launch, session),
    lookAround(session, context.signal),
  ]);
  const provider = await context.provider(launch.provider);
  if (there.who === "ours" && !await lacksKey(context, { launch, provider, there })) return { state: "running" };
  const { host, port } = provider.facts.services.agent;
  if (there.who === "daemon") return { state: "none", why: "a status daemon is there, and is used instead" };
  if (there.who === "stranger") return { state: "none", why: `another program answers at \`${host}:${port}\` there` };
  if ((await context.journal()).agentToken(launch.token) === undefined) return unknownToken;
  if (isOnlyStarted || there.who === "ours") {
    const hash = await pickPresent(source, around);
    return hash === undefined ? { state: "none", why: "it was never put there" } : { hash };
  }
  const brought = await bringBinary(context, launch, { session, source, around });
  return "none" in brought ? { state: "none", why: brought.none } : brought;
}

/** Whether the agent was started again without the key that it is to end its instance with: that is in no file. */
async function lacksKey(
  context: Context,
  { launch, provider, there }: { launch: Launch; provider: Provider; there: Extract<There, { who: "ours" }> },
): Promise<boolean> {
  const { enforce = "reaper" } = (await context.config()).lease;
  if (enforce === "reaper" || provider.endEnvironment === undefined || there.canEnd !== false) return false;
  if (there.jobsRunning === 0) return true;
  context.note(
    `warning: the agent on ${nameOf(launch)} was started again and has no key: until its jobs are done it ends nothing`,
  );
  return false;
}

async function startBrought(
  context: Context,
  launch: Launch,
  session: Session,
  brought: Brought,
): Promise<AgentOutcome> {
  if (!("hash" in brought)) return brought;
  const provider = await context.provider(launch.provider);
  const token = (await context.journal()).agentToken(launch.token);
  if (token === undefined) return unknownToken;
  context.progress(`starting the agent on ${nameOf(launch)}`);
  const { port } = provider.facts.services.agent;
  const orders = await ordersFor(context, { launch, provider, token, port });
  const again = { ...orders, provider: undefined, isAgain: true };
  const stdin = `${JSON.stringify(orders)}\n${JSON.stringify(again)}\n`;
  await runScript(session, startScript(brought.hash), { stdin, signal: context.signal });
  await untilItAnswers(context, launch, session);
  return { state: "started" };
}

async function ordersFor(
  context: Context,
  { launch, provider, token, port }: { launch: Launch; provider: Provider; token: string; port: number },
) {
  const { lease: { enforce = "reaper", idle, warn } } = await context.config();
  const environment = enforce === "reaper" ? undefined : await provider.endEnvironment?.();
  if (enforce !== "reaper" && environment === undefined) {
    context.note(`${provider.name} gives its key to no agent, so \`lease.enforce: ${enforce}\` is as \`reaper\``);
  }
  if (idle?.then === "stop" && environment === undefined) {
    context.note(
      "this computer stops the instance when it is idle, as long as it is on; `lease.enforce: both` lets the agent do it",
    );
  }
  return {
    token,
    instanceId: launch.instanceId ?? launch.token,
    port,
    leaseEndsAt: launch.leaseEndsAt,
    createdAt: launch.launchedAt ?? launch.createdAt,
    warnMs: warn === undefined ? undefined : durationMs(warn),
    idle: idle && { afterMs: durationMs(idle.after), then: idle.then },
    provider: environment && { name: provider.name, environment, holdsLease: true },
  };
}

/** To an agent that was there before anybody could give it orders. */
async function sendIdleRule(context: Context, launch: Launch, session: Session): Promise<void> {
  const { idle } = (await context.config()).lease;
  if (idle === undefined) return;
  const json = { after_minutes: durationMs(idle.after) / 60_000, then: idle.then };
  const { status } = await agentRequest(context, launch, "/idle", { json, session, timeoutMs: 10_000 });
  if (status !== 200) throw new GpuError("its agent does not take `lease.idle`");
}

const startTimeoutMs = 20_000;

async function untilItAnswers(context: Context, launch: Launch, session: Session): Promise<void> {
  const { clock } = context.world;
  const deadline = clock.monotonic() + startTimeoutMs;
  for (;;) {
    const { who } = await whoAnswers(context, launch, session);
    if (who === "ours") return;
    if (who !== "nobody" || clock.monotonic() > deadline) {
      const log = await runScript(session, logScript, { signal: context.signal }).catch(() => "");
      throw new GpuError(`it was started and does not answer${log.trim() === "" ? "" : `: ${oneLine(log, 300)}`}`);
    }
    await clock.sleep(50, context.signal);
  }
}
