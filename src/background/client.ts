import { closeSync, openSync, readFileSync } from "node:fs";
import { z } from "zod";
import packageJson from "../../package.json" with { type: "json" };
import { childEnvironment } from "../env.ts";
import { GpuError } from "../errors.ts";
import type { World } from "../world.ts";
import { connectControl, type Connection } from "./connection.ts";
import { providerVariables } from "./keys.ts";
import { backgroundPlace, preparePlace } from "./place.ts";
import {
  type Keys,
  Ping,
  protocolVersion,
  ReaperReport,
  type TunnelFilter,
  TunnelReport,
  type TunnelRequest,
  type WatchRequest,
} from "./protocol.ts";

/** What commands ask of the background process. */
export interface BackgroundClient extends Disposable {
  ping(): Promise<Ping>;
  /** From here on the run is watched, until this client is disposed or its process dies. */
  watchRun(request: WatchRequest): Promise<void>;
  /** Hands over what opens the accounts of providers. */
  giveKeys(keys: Keys): Promise<void>;
  reaper(): Promise<ReaperReport>;
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
    const client = connection && await usableClient(connection, version);
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

/** Opens a tunnel that outlives this process; one that is interrupted while it opens does not stay. */
export async function startTunnel(
  world: ClientWorld,
  request: TunnelRequest,
  signal?: AbortSignal,
): Promise<TunnelReport> {
  using background = await backgroundClient(world, { signal });
  const stop = () => background[Symbol.dispose]();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return await background.startTunnel(request);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** The tunnels of this state folder; none where there is no background process. */
export async function tunnelStatus(
  world: Pick<World, "folders" | "platform">,
  filter: TunnelFilter = {},
): Promise<TunnelReport[]> {
  using background = await findBackground(world);
  return await background?.tunnels(filter) ?? [];
}

/** Closes tunnels, and returns the last of each. */
export async function stopTunnels(
  world: Pick<World, "folders" | "platform">,
  filter: TunnelFilter = {},
): Promise<TunnelReport[]> {
  using background = await findBackground(world);
  return await background?.stopTunnels(filter) ?? [];
}

/** The client, when it answers and understands us; `undefined` when it is on its way out. */
async function usableClient(connection: Connection, version: string): Promise<BackgroundClient | undefined> {
  const client = clientOver(connection);
  const ping = await client.ping().catch(() => undefined);
  if (!ping) {
    connection[Symbol.dispose]();
    return undefined;
  }
  if (ping.version === version && ping.protocol === protocolVersion) return client;
  if (ping.held === 0) {
    await client.quit();
    return undefined;
  }
  if (ping.protocol === protocolVersion) return client;
  connection[Symbol.dispose]();
  throw new GpuError(
    `the background process (${ping.version}) is not of this version (${version}), and holds ${ping.held} tunnels`,
    {
      hint: "`gpu tunnel stop` closes them",
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
