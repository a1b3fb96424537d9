import { closeSync, openSync, readFileSync } from "node:fs";
import { z } from "zod";
import packageJson from "../../package.json" with { type: "json" };
import { childEnvironment } from "../env.ts";
import { GpuError } from "../errors.ts";
import type { World } from "../world.ts";
import { buildOf } from "./build.ts";
import { connectControl, type Connection } from "./connection.ts";
import { providerVariables } from "./keys.ts";
import { backgroundPlace, preparePlace } from "./place.ts";
import { type Keys, Ping, protocolVersion, ReaperReport, SessionReport, type WatchRequest } from "./protocol.ts";
import { type PersonQuestion, UnansweredError } from "./question.ts";
import { forgetTunnel, lostTunnels } from "./tunnel-record.ts";
import { type TunnelFilter, TunnelReport, type TunnelRequest } from "./tunnel-protocol.ts";

/** What commands ask of the background process. */
export interface BackgroundClient extends Disposable {
  ping(): Promise<Ping>;
  /** From here on the run is watched, until this client is disposed or its process dies. */
  watchRun(request: WatchRequest): Promise<void>;
  /** Hands over what opens the accounts of providers. */
  giveKeys(keys: Keys): Promise<void>;
  reaper(): Promise<ReaperReport>;
  /** The SSH sessions that commands share. */
  sessions(): Promise<SessionReport[]>;
  /** Resolves when the tunnel stands. */
  startTunnel(request: TunnelRequest): Promise<TunnelReport>;
  tunnels(filter?: TunnelFilter): Promise<TunnelReport[]>;
  stopTunnels(filter: TunnelFilter): Promise<TunnelReport[]>;
  /** Resolves when it is gone. */
  quit(): Promise<void>;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
}

export interface BackgroundClientOptions {
  readonly signal?: AbortSignal;
  readonly version?: string;
  /** How long a start may take; 10 s when left out. */
  readonly startTimeoutMs?: number;
}

type LookingWorld = Pick<World, "clock" | "folders" | "platform">;
type ClientWorld = Pick<World, "clock" | "env" | "folders" | "platform" | "self" | "spawn">;

/** The background process if one lives, else `undefined`: starts nothing. */
export async function findBackground(
  world: Pick<World, "folders" | "platform">,
): Promise<BackgroundClient | undefined> {
  const connection = await connectControl(backgroundPlace(world).socket);
  return connection && clientOver(connection);
}

/** The background process; starts it where none lives, and replaces one of another version that holds nothing. */
export async function backgroundClient(
  world: ClientWorld,
  options: BackgroundClientOptions = {},
): Promise<BackgroundClient> {
  const { signal, version = packageJson.version, startTimeoutMs = 10_000 } = options;
  const place = preparePlace(world);
  const deadline = world.clock.now() + startTimeoutMs;
  let starter: Starter | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const connection = await connectControl(place.socket);
    const client = connection && await usableClient(connection, { world, version });
    if (client) return client;
    if (starter?.hasFailed || world.clock.now() > deadline) {
      throw new GpuError("the background process does not start", {
        hint: `\`${place.log}\` may say why${lastLine(place.log)}`,
      });
    }
    // One that lost the race to another starter has ended; so has one that met a predecessor on its way out.
    if (!connection && (!starter || starter.isOver)) starter = start(world, place.log);
    await world.clock.sleep(20, signal);
  }
}

interface StartingTunnel {
  readonly signal?: AbortSignal;
  /** Puts a question to a person; what they say travels over the control socket and stays in memory. */
  readonly ask?: (question: PersonQuestion) => Promise<string>;
}

/** Opens a tunnel that outlives this process; one that is interrupted while it opens does not stay. */
export async function startTunnel(
  world: ClientWorld,
  request: TunnelRequest,
  { signal, ask }: StartingTunnel = {},
): Promise<TunnelReport> {
  using background = await backgroundClient(world, { signal });
  const stop = () => background[Symbol.dispose]();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const answers: Record<string, string> = {};
    for (;;) {
      try {
        return await background.startTunnel({ ...request, answers });
      } catch (error) {
        signal?.throwIfAborted();
        if (!ask || !(error instanceof UnansweredError)) throw error;
        answers[error.question.text] = await ask(error.question);
      }
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** The same, but throws where one lives and says nothing: it was stopped, or is stuck. */
export async function answeringBackground(world: LookingWorld): Promise<BackgroundClient | undefined> {
  const connection = await connectControl(backgroundPlace(world).socket);
  if (!connection) return undefined;
  const client = clientOver(connection);
  // One of another version may answer otherwise than we expect: it answers.
  if (await isHeard(connection, world)) return client;
  client[Symbol.dispose]();
  throw silent();
}

/** The tunnels of this state folder, with those that were lost with the process that held them. */
export async function tunnelStatus(world: LookingWorld, filter: TunnelFilter = {}): Promise<TunnelReport[]> {
  // What opens or closes meanwhile is not lost: that was there before it was asked, and is there still.
  const before = new Set(lostTunnels(world, filter, () => false).map(({ name }) => name));
  using background = await answeringBackground(world);
  const held = await background?.tunnels(filter) ?? [];
  const isHeld = (name: string) => !before.has(name) || held.some((tunnel) => tunnel.name === name);
  return [...held, ...lostTunnels(world, filter, isHeld)];
}

/** Closes tunnels, and returns the last of each; those that were lost are forgotten. */
export async function stopTunnels(world: LookingWorld, filter: TunnelFilter = {}): Promise<TunnelReport[]> {
  using background = await answeringBackground(world);
  const stopped = await background?.stopTunnels(filter) ?? [];
  const lost = lostTunnels(world, filter, (name) => stopped.some((tunnel) => tunnel.name === name));
  for (const { name } of lost) forgetTunnel(world, name);
  return [...stopped, ...lost];
}

/** How long it may take to say what it is. */
const answerMs = 3_000;

/** Whether anything is said within that time, an error too, or the connection ends. */
async function isHeard(connection: Connection, { clock }: Pick<World, "clock">): Promise<boolean> {
  const over = new AbortController();
  // One that was stopped takes connections and says nothing.
  const late = clock.sleep(answerMs, over.signal).then(() => false, () => false);
  const heard = connection.ask("ping").then(() => true, () => true);
  return await Promise.race([heard, late]).finally(() => over.abort(new Error("over")));
}

const silent = () =>
  new GpuError("the background process takes connections and does not answer", {
    hint: "something stopped it, or it is stuck: let it go on (SIGCONT), or kill it; its tunnels end with it",
  });

/** The client, when it answers and understands us; `undefined` when it is on its way out. */
async function usableClient(
  connection: Connection,
  { world: { clock, self }, version }: { world: ClientWorld; version: string },
): Promise<BackgroundClient | undefined> {
  const client = clientOver(connection);
  const over = new AbortController();
  // One that was stopped takes connections and says nothing.
  const late = clock.sleep(answerMs, over.signal).then(() => undefined, () => undefined);
  const ping = await Promise.race([client.ping().catch(() => "on its way out" as const), late]);
  over.abort(new Error("over"));
  if (ping === undefined || ping === "on its way out") {
    connection[Symbol.dispose]();
    if (ping === undefined) throw silent();
    return undefined;
  }
  const isOfOurBuild = ping.build === undefined || ping.build === buildOf(version, self[0] ?? "");
  if (ping.version === version && ping.protocol === protocolVersion && isOfOurBuild) return client;
  if (ping.held === 0) {
    await client.quit();
    return undefined;
  }
  if (ping.protocol === protocolVersion) return client;
  connection[Symbol.dispose]();
  throw new GpuError(
    `the background process (${ping.version}) is not of this version (${version}), and holds ${ping.held} tunnels`,
    {
      hint: "`gpu tunnel stop --all` closes them",
    },
  );
}

interface Starter {
  isOver: boolean;
  /** It could not be started, or ended with an error: another try would not do better. */
  hasFailed: boolean;
}

function start({ env, folders, self, spawn }: ClientWorld, log: string): Starter {
  const starter = { isOver: false, hasFailed: false };
  const over = (hasFailed: boolean) => Object.assign(starter, { isOver: true, hasFailed });
  const output = openSync(log, "a", 0o600);
  try {
    const child = spawn([...self, ":background"], {
      cwd: folders.state,
      // Anybody of this user may read the environment of a process: keys go over the socket.
      env: childEnvironment(env, Object.fromEntries(providerVariables.map((name) => [name, undefined]))),
      detached: true,
      stdin: "ignore",
      stdout: "ignore",
      stderr: output,
    });
    child.once("exit", (code) => over(code !== 0));
    child.once("error", () => over(true));
    child.unref();
  } finally {
    closeSync(output);
  }
  return starter;
}

function clientOver(connection: Connection): BackgroundClient {
  const reports = z.array(TunnelReport);
  return {
    ping: async () => Ping.parse(await connection.ask("ping")),
    watchRun: async (request) => void await connection.ask("run.watch", request),
    giveKeys: async (keys) => void await connection.ask("keys", keys),
    reaper: async () => ReaperReport.parse(await connection.ask("reaper.status")),
    sessions: async () => z.array(SessionReport).parse(await connection.ask("session.status")),
    closed: connection.closed,
    startTunnel: async (request) => TunnelReport.parse(await connection.ask("tunnel.start", request)),
    tunnels: async (filter = {}) => reports.parse(await connection.ask("tunnel.status", filter)),
    stopTunnels: async (filter) => reports.parse(await connection.ask("tunnel.stop", filter)),
    async quit() {
      // It may end before its answer is on the way.
      await connection.ask("quit").catch(() => {});
      await connection.closed;
    },
    [Symbol.dispose]: () => connection[Symbol.dispose](),
  };
}

function lastLine(path: string): string {
  try {
    const line = readFileSync(path, "utf8").trim().split("\n").at(-1);
    return line ? `: ${line.slice(0, 200)}` : "";
  } catch {
    return "";
  }
}
