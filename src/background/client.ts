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

/** What it takes to find the background process. */
export type LookingWorld = Pick<World, "clock" | "folders" | "platform">;
/** What it takes to start it, too. */
export type ClientWorld = Pick<World, "clock" | "env" | "folders" | "platform" | "self" | "spawn">;

/** The background process if one lives, else `undefined`: starts nothing. */
export async function findBackground(
  world: Pick<World, "folders" | "platform">,
): Promise<BackgroundClient | undefined> {
  const connection = await connectControl(backgroundPlace(world).socket);
  return connection && clientOver(connection);
}

/** The same, but throws where one lives and says nothing: it was stopped, or is stuck. */
export async function answeringBackground(world: LookingWorld): Promise<BackgroundClient | undefined> {
  const connection = await connectControl(backgroundPlace(world).socket);
  if (!connection) return undefined;
  const client = clientOver(connection);
  // One of another version may answer otherwise than we expect, or with an error: it answers.
  if (await inTime(world.clock, connection.ask("ping").then(() => true, () => true))) return client;
  client[Symbol.dispose]();
  throw silent();
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

/** How long it may take to say what it is. */
const answerMs = 3_000;

/** What comes of a question, or undefined where that takes too long: one that was stopped takes connections all the same. */
async function inTime<T>(clock: World["clock"], answer: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  const late = clock.sleep(answerMs, over.signal).then(() => undefined, () => undefined);
  return await Promise.race([answer, late]).finally(() => over.abort(new Error("over")));
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
  const ping = await inTime(clock, client.ping().catch(() => "on its way out" as const));
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
