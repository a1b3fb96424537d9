import type { Context } from "../command.ts";
import { durationMs } from "../duration.ts";
import { GpuError, messageOf } from "../errors.ts";
import { HttpError } from "../http/errors.ts";
import type { Provider } from "../provider/provider.ts";
import { oneLine } from "../safe-text.ts";
import type { Session } from "../ssh/session.ts";
import { type AgentBinary, chooseBinary, compressed, hashOf, platformFrom } from "./agent-binary.ts";
import { agentRequest, nameOf, NoAgent } from "./agent-request.ts";
import { checkScript, logScript, startScript, unpackScript } from "./agent-scripts.ts";
import { connectInstance } from "./connect.ts";
import type { Launch } from "./rows.ts";

export { agentRequest } from "./agent-request.ts";
export { type AgentStatus, readAgentStatus } from "./agent-status.ts";

/** What became of it: it was there, it was started, or there is none and why. */
export type AgentOutcome = { readonly state: "running" | "started" } | { readonly state: "none"; readonly why: string };

export interface InstallOptions {
  /** Instead of this executable: `--agent-binary`. */
  readonly agentBinary?: string;
}

/**
 * Sees to it that an instance which is ready has its agent. Without one it can still be used, so nothing that goes wrong
 * here is an error: it is said.
 */
export async function ensureAgent(context: Context, launch: Launch, options: InstallOptions = {}): Promise<void> {
  const { world, signal, note } = context;
  const { facts } = await context.provider(launch.provider);
  const { lease } = await context.config();
  if (facts.bringsAgent && lease.idle === undefined) return;
  try {
    await using session = await connectInstance(world, launch, signal);
    if (facts.bringsAgent) return await sendIdleRule(context, launch, session);
    const outcome = await installAgent(context, launch, session, options);
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
  { agentBinary }: InstallOptions = {},
): Promise<AgentOutcome> {
  const there = await whoAnswers(context, launch, session);
  if (there === "ours") return { state: "running" };
  const provider = await context.provider(launch.provider);
  const { host, port } = provider.facts.services.agent;
  if (there === "daemon") return { state: "none", why: "a status daemon is there, and is used instead" };
  if (there === "stranger") return { state: "none", why: `another program answers at \`${host}:${port}\` there` };
  const token = (await context.journal()).agentToken(launch.token);
  if (token === undefined) return { state: "none", why: "its token is not known here" };

  const { folder, platform, present } = await lookAround(session, context.signal);
  if (platform === undefined) return { state: "none", why: "there is no gpu for its platform" };
  const choice = await chooseBinary(context.world, { platform, named: agentBinary });
  if ("none" in choice) return { state: "none", why: choice.none };
  const binary = { path: choice.path, hash: await hashOf(choice.path) };
  if (!present.includes(binary.hash)) await bring(context, { launch, session, folder, binary, platform });

  context.progress(`starting the agent on ${nameOf(launch)}`);
  const orders = JSON.stringify(await ordersFor(context, { launch, provider, token, port }));
  await runScript(session, startScript(binary.hash), { stdin: `${orders}\n`, signal: context.signal });
  await untilItAnswers(context, launch, session);
  return { state: "started" };
}

/** Who listens where the agent is to be. */
async function whoAnswers(
  context: Context,
  launch: Launch,
  session: Session,
): Promise<"ours" | "daemon" | "stranger" | "nobody"> {
  const { agent: { host, port } } = (await context.provider(launch.provider)).facts.services;
  const stream = await session.openStream(host, port).catch(() => undefined);
  if (stream === undefined) return "nobody";
  stream.destroy();
  try {
    const answer = await agentRequest(context, launch, "/status", { session, timeoutMs: 30_000 });
    if (answer.status !== 200 || !/"status":\s*"healthy"/.test(answer.text)) return "stranger";
    return /"server":\s*"gpu"/.test(answer.text) ? "ours" : "daemon";
  } catch (error) {
    context.signal.throwIfAborted();
    // One that dies at this moment still takes connections.
    return error instanceof NoAgent || (error instanceof HttpError && error.reason === "cut") ? "nobody" : "stranger";
  }
}

/** Where the agent's folder is, which platform that is, and which agents of earlier times are there, by hash. */
async function lookAround(session: Session, signal: AbortSignal) {
  const said = await runScript(session, checkScript, { signal });
  const [folder = "", uname = "", libc = "", ...names] = said.split("\n");
  if (!/^\/[\P{Cc}]*$/u.test(folder)) throw new GpuError("it does not say where its home is");
  const present = names.flatMap((name) => /^gpu-([0-9a-f]{64})$/.exec(name.trim())?.[1] ?? []);
  return { folder, platform: platformFrom(uname, libc.trim() === "musl"), present };
}

interface Bringing {
  readonly launch: Launch;
  readonly session: Session;
  readonly folder: string;
  readonly binary: AgentBinary;
  readonly platform: string;
}

async function bring(context: Context, { launch, session, folder, binary, platform }: Bringing): Promise<void> {
  const { world, signal, progress } = context;
  const name = nameOf(launch);
  progress(`compressing the agent for ${name}`);
  const { path, bytes } = await compressed(world, { binary, platform });
  const upload = `upload-${Buffer.from(world.random(8)).toString("hex")}.gz`;
  const whole = Math.ceil(bytes / 1e6);
  await session.upload(path, `${folder}/${upload}`, {
    signal,
    onProgress: (sent) => progress(`putting the agent on ${name}: ${Math.floor(sent / 1e6)} of ${whole} MB`),
  });
  await runScript(session, unpackScript({ upload, hash: binary.hash }), { signal });
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
      "the agent has no key to stop an idle instance with, so it only warns; `lease.enforce: both` gives it one",
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
    const there = await whoAnswers(context, launch, session);
    if (there === "ours") return;
    if (there !== "nobody" || clock.monotonic() > deadline) {
      const log = await runScript(session, logScript, { signal: context.signal }).catch(() => "");
      throw new GpuError(`it was started and does not answer${log.trim() === "" ? "" : `: ${oneLine(log, 300)}`}`);
    }
    await clock.sleep(100, context.signal);
  }
}

/** Runs a script in the remote `sh`, whatever the login shell is; returns what it printed. */
async function runScript(
  session: Session,
  script: string,
  { stdin, signal }: { stdin?: string; signal: AbortSignal },
): Promise<string> {
  const { quoteWord } = await import("../quote.ts");
  const said: Uint8Array[] = [];
  const failed: Uint8Array[] = [];
  const { exitCode } = await session.exec(`sh -c ${quoteWord(script)}`, {
    stdin,
    signal,
    onStdout: (chunk) => void said.push(chunk),
    onStderr: (chunk) => void failed.push(chunk),
  });
  if (exitCode === 0) return Buffer.concat(said).toString("utf8");
  const why = oneLine(Buffer.concat([...failed, ...said]).toString("utf8"), 300) || `exit ${exitCode}`;
  throw new GpuError(`a command to set it up failed: ${why}`);
}
