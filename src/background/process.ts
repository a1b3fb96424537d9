import { chmodSync, rmSync } from "node:fs";
import net, { type Socket } from "node:net";
import packageJson from "../../package.json" with { type: "json" };
import { GpuError } from "../errors.ts";
import { tryLock } from "../lock.ts";
import type { World } from "../world.ts";
import { buildOf } from "./build.ts";
import { readJsonLines, writeJsonLine } from "./lines.ts";
import { shrink } from "./lean.ts";
import { preparePlace } from "./place.ts";
import { SocketFile } from "./socket-file.ts";
import type { ProviderRegistry } from "../provider/registry.ts";
import { openLog } from "./log.ts";
import { protocolVersion } from "./protocol.ts";
import { startReaping } from "./reaping.ts";
import { answerRequest } from "./requests.ts";
import { lazyTunnels } from "./lazy-tunnels.ts";
import { lazyVisits } from "./lazy-visits.ts";
import { preface } from "./frames.ts";
import type { Hosted } from "./visits.ts";

export interface BackgroundOptions {
  /** How long it stays when it holds nothing; half a second when left out: the next one starts as fast. */
  readonly idleMs?: number;
  /** How long a tunnel whose machine does not answer tries again; a day when left out. */
  readonly giveUpAfterMs?: number;
  readonly version?: string;
  readonly registry?: ProviderRegistry;
  /** How long an SSH session stays that no command uses; 60 s when left out. */
  readonly sessionIdleMs?: number;
  /** What runs command lines for others; without it no session is shared. */
  readonly hosted?: Hosted;
  /** The process is ours alone, and may be made small while it has nothing to do. */
  readonly isAlone?: boolean;
  /** Ends it in order. */
  readonly signal?: AbortSignal;
}

/** How long nothing has happened when a process has nothing to do. */
const quietMs = 2_000;

/**
 * The background process of a state folder: holds tunnels for commands that have ended, stops what dead runs and ended
 * leases leave, and ends itself when there is nothing to hold. Returns at once where another one lives. Returns its
 * exit code.
 */
export async function runBackground(world: World, options: BackgroundOptions = {}): Promise<number> {
  const { idleMs = 500, giveUpAfterMs = 86_400_000, version = packageJson.version, signal } = options;
  const id = Buffer.from(world.random(8)).toString("hex");
  const place = preparePlace(world);
  using lock = tryLock(place.lock);
  if (!lock) return 0;
  const log = openLog(place.log, world.clock);

  const quit = Promise.withResolvers<string>();
  const sockets = new Set<Socket>();
  let requests = 0;
  let idle = new AbortController();
  const heldCount = () => tunnels.heldCount() + reaping.heldCount() + visits.heldCount();
  const isIdle = () => heldCount() === 0 && sockets.size === 0 && requests === 0;
  const onChange = () => {
    idle.abort(new Error("something changed"));
    idle = new AbortController();
    if (isIdle()) world.clock.sleep(idleMs, idle.signal).then(() => quit.resolve("nothing to hold"), () => {});
    else if (options.isAlone && visits.heldCount() === 0) {
      world.clock.sleep(quietMs, idle.signal).then(() => shrink(world), () => {});
    }
  };
  const tunnels = lazyTunnels({ world, giveUpAfterMs, onChange, log, locate: (...asked) => reaping.locate(...asked) });
  const registry = options.registry ?? (await import("../provider/registry.ts")).providerRegistry;
  const build = buildOf(version, world.self[0] ?? "");
  const visits = lazyVisits({ world, build, idleMs: options.sessionIdleMs, hosted: options.hosted, onChange, log });
  let isServing = false;
  const reaping = await startReaping({ world, registry, log, onChange: () => isServing && onChange() });
  const answer = (line: unknown, gone: AbortSignal) =>
    answerRequest(line, {
      gone,
      tunnels,
      reaping,
      sessions: () => visits.report(),
      quit: () => quit.resolve("asked to"),
      // A lease is in the journal, where a successor finds it; tunnels and connections of runs are here alone.
      ping: () => ({
        id,
        version,
        build,
        protocol: protocolVersion,
        held: tunnels.heldCount() + reaping.report().runs.length + visits.busyCount(),
      }),
    });

  const server = net.createServer((socket) => {
    const gone = new AbortController();
    sockets.add(socket);
    onChange();
    socket.on("error", () => {});
    socket.once("close", () => {
      sockets.delete(socket);
      gone.abort(new GpuError("interrupted"));
      onChange();
    });
    const serve = async () => {
      const first = await firstOf(socket);
      if (first[0] === preface[0]) {
        requests++;
        await visits.serve(socket, first).finally(() => requests--).finally(onChange);
        return;
      }
      for await (const line of readJsonLines(socket, first)) {
        requests++;
        answer(line, gone.signal)
          .then((result) => writeJsonLine(socket, result))
          .finally(() => requests--)
          .finally(onChange);
      }
    };
    serve().catch(() => socket.destroy());
  });
  await listen(server, place.socket, world.platform);
  signal?.addEventListener("abort", () => quit.resolve("interrupted"), { once: true });
  const file = new SocketFile(place.socket, world.platform);
  const over = new AbortController();
  const forgotten = async () => {
    await file.lost(world, over.signal);
    // Its folder was deleted: nobody could find or stop what it holds. A lease is still ended in time.
    await tunnels.stop({});
  };
  forgotten().catch(() => {});
  isServing = true;
  log(`started, version ${version}`);
  onChange();

  const why = await quit.promise;
  idle.abort(new Error("over"));
  over.abort(new Error("over"));
  // Closing deletes whatever file has the name of its socket.
  const closed = file.isOurs() ? new Promise<void>((resolve) => server.close(() => resolve())) : server.unref();
  await tunnels.abandon();
  await visits[Symbol.asyncDispose]();
  await reaping[Symbol.asyncDispose]();
  for (const socket of sockets) socket.end();
  await Promise.race([closed, world.clock.sleep(1000)]);
  for (const socket of sockets) socket.destroy();
  file.remove();
  log(`ended: ${why}`);
  return 0;
}

/** The first bytes that come; none where nothing comes. */
async function firstOf(socket: Socket): Promise<Uint8Array> {
  return await new Promise((resolve) => {
    socket.once("data", (chunk: Uint8Array) => {
      socket.pause();
      resolve(chunk);
    });
    socket.once("close", () => resolve(new Uint8Array()));
  });
}

async function listen(server: net.Server, path: string, platform: NodeJS.Platform): Promise<void> {
  // Whoever made it is dead: we hold the lock.
  if (platform !== "win32") rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  if (platform !== "win32") chmodSync(path, 0o600);
}
