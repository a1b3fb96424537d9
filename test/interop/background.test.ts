import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import packageJson from "../../package.json" with { type: "json" };
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backgroundClient, findBackground } from "../../src/background/client.ts";
import { backgroundPlace } from "../../src/background/place.ts";
import { startTunnel, stopTunnels, tunnelStatus } from "../../src/background/tunnel-client.ts";
import type { TunnelRequest } from "../../src/background/tunnel-protocol.ts";
import { isLocked } from "../../src/lock.ts";
import { outside } from "../../src/outside.ts";
import type { Route } from "../../src/ssh/forward.ts";
import type { World } from "../../src/world.ts";
import { type Sshd, startSshd } from "./sshd.ts";

// Processes are started, and a busy computer takes its time.
setDefaultTimeout(30_000);

let sshd: Sshd;
let server: ReturnType<typeof Bun.serve>;
beforeAll(async () => {
  sshd = await startSshd();
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("here") });
});
afterAll(async () => {
  await server?.stop(true);
  await sshd?.[Symbol.asyncDispose]();
});

let folder: string;
let children: ChildProcess[];
let world: World;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-background-"));
  children = [];
  world = worldIn(folder);
});
afterEach(async () => {
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

interface Times {
  idleMs?: number;
  giveUpAfterMs?: number;
  version?: string;
}

function worldIn(
  state: string,
  { idleMs = 60_000, giveUpAfterMs = 60_000, version = packageJson.version }: Times = {},
): World {
  const real = outside(process, { onClosedPipe: () => {} });
  return {
    ...real,
    env: { PATH: process.env.PATH, HOME: folder, XDG_STATE_HOME: state },
    folders: { config: join(state, "c"), state: join(state, "gpu"), cache: join(state, "x") },
    self: [process.execPath, join(import.meta.dir, "background-main.ts"), `${idleMs}`, `${giveUpAfterMs}`, version],
    spawn(command, options) {
      const child = real.spawn(command, options);
      children.push(child);
      return child;
    },
  };
}

function routeFrom(localPort: number): Route {
  return { kind: "local", bind: "127.0.0.1", localPort, remoteHost: "127.0.0.1", remotePort: server.port ?? 0 };
}

function request(
  { to, ...changes }: Partial<Omit<TunnelRequest, "to">> & { to?: object } = {},
): TunnelRequest {
  const { address, hostKey, privateKeyPath } = sshd;
  return {
    name: "t1",
    to: { kind: "instance", instanceId: "i-1", token: "00", address, hostKey, privateKeyPath, ...to },
    routes: [routeFrom(0)],
    ...changes,
  };
}

function living(): ChildProcess[] {
  return children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(5);
}

test("a tunnel outlives the connection that asked for it, and others find, list and stop it", async () => {
  const report = await startTunnel(world, request());
  expect(report).toMatchObject({
    name: "t1",
    instanceId: "i-1",
    state: "open",
    forwards: [{ remotePort: server.port }],
  });
  const url = `http://127.0.0.1:${report.forwards[0]?.localPort}/`;
  expect(await (await fetch(url)).text()).toBe("here");
  expect(await tunnelStatus(world)).toMatchObject([{ name: "t1", bytesIn: expect.any(Number) }]);
  expect(await tunnelStatus(world, { instanceId: "i-2" })).toEqual([]);
  expect(await stopTunnels(world, { instanceId: "i-2" })).toEqual([]);
  expect(await stopTunnels(world, { instanceId: "i-1" })).toMatchObject([{ name: "t1" }]);
  await expect(fetch(url)).rejects.toThrow();
  expect(await tunnelStatus(world)).toEqual([]);
});

test("nothing is started by looking", async () => {
  expect(await findBackground(world)).toBeUndefined();
  expect(await tunnelStatus(world)).toEqual([]);
  expect(existsSync(world.folders.state)).toBe(false);
});

test("errors come back with their hint and kind, and name no key", async () => {
  using client = await backgroundClient(world);
  await client.startTunnel(request());
  const twice = await client.startTunnel(request()).catch((error) => error);
  expect([twice.name, twice.message, twice.hint]).toEqual([
    "UsageError",
    "a tunnel `t1` is already open",
    expect.stringContaining("gpu tunnel stop"),
  ]);
  const taken = await client.startTunnel(request({ name: "t2", routes: [routeFrom(server.port ?? 0)] })).catch((
    error,
  ) => error);
  expect(taken.message).toContain(`the local port \`${server.port}\` is in use by`);
  await expect(client.startTunnel(request({ name: "t3", to: { privateKeyPath: "/absent" } }))).rejects.toThrow(
    "the key `/absent` is not there",
  );
  expect((await client.tunnels()).map(({ name }) => name)).toEqual(["t1"]);
});

test("a start that is interrupted leaves no tunnel", async () => {
  using client = await backgroundClient(world);
  const asked = Promise.withResolvers<void>();
  const silent = net.createServer((socket) => asked.resolve(void socket.on("error", () => {}).resume())).listen(
    0,
    "127.0.0.1",
  );
  await new Promise((resolve) => silent.once("listening", resolve));
  const at = silent.address();
  const port = typeof at === "object" && at ? at.port : 0;
  const stop = new AbortController();
  const starting = startTunnel(world, request({ to: { address: { host: "127.0.0.1", port, user: "x" } } }), {
    signal: stop.signal,
  });
  starting.catch(() => {});
  await asked.promise;
  expect((await client.ping()).held).toBe(1);
  stop.abort(new Error("enough"));
  await expect(starting).rejects.toThrow("enough");
  while ((await client.ping()).held > 0) await Bun.sleep(5);
  silent.close();
});

test("two starters at once share one process", async () => {
  const clients = await Promise.all(Array.from({ length: 5 }, () => backgroundClient(world)));
  const ids = await Promise.all(clients.map(async (client) => (await client.ping()).id));
  expect(new Set(ids).size).toBe(1);
  await until(() => living().length === 1);
  for (const client of clients) client[Symbol.dispose]();
});

test("a killed process is replaced, its socket too", async () => {
  const { id } = await (await backgroundClient(world)).ping();
  for (const child of living()) child.kill("SIGKILL");
  await until(() => living().length === 0);
  expect(existsSync(backgroundPlace(world).socket)).toBe(true);
  expect(await tunnelStatus(world)).toEqual([]);
  using client = await backgroundClient(world);
  expect((await client.ping()).id).not.toBe(id);
});

test("one whose folder was deleted lets go of its tunnels, and leaves the socket of its successor alone", async () => {
  world = worldIn(folder, { idleMs: 60 });
  const report = await startTunnel(world, request());
  const [first] = children;
  rmSync(world.folders.state, { recursive: true });
  using successor = await backgroundClient(world);
  expect((await successor.tunnels()).length).toBe(0);
  await until(() => first?.exitCode === 0);
  await expect(fetch(`http://127.0.0.1:${report.forwards[0]?.localPort}/`)).rejects.toThrow();
  expect(existsSync(backgroundPlace(world).socket)).toBe(true);
  expect(await tunnelStatus(world)).toEqual([]);
});

test("one that was stopped is not waited for", async () => {
  await startTunnel(world, request());
  const [child] = living();
  child?.kill("SIGSTOP");
  try {
    await expect(tunnelStatus(world)).rejects.toThrow("does not answer");
    await expect(stopTunnels(world, { instanceId: "i-1" })).rejects.toThrow("does not answer");
  } finally {
    child?.kill("SIGCONT");
  }
  expect(await tunnelStatus(world)).toMatchObject([{ name: "t1", state: "open" }]);
});

test("it ends by itself when it holds nothing, and not before", async () => {
  world = worldIn(folder, { idleMs: 60 });
  await startTunnel(world, request());
  await Bun.sleep(150);
  expect(living().length).toBe(1);
  await stopTunnels(world);
  await until(() => living().length === 0);
  expect(children.map(({ exitCode }) => exitCode)).toEqual([0]);
  const { socket, lock } = backgroundPlace(world);
  expect([existsSync(socket), isLocked(lock)]).toEqual([false, false]);
});

test("a tunnel whose instance is gone ends with the reason", async () => {
  const own = await startSshd();
  const { address, hostKey, privateKeyPath } = own;
  world = worldIn(folder, { giveUpAfterMs: 50 });
  await startTunnel(world, request({ to: { address, hostKey, privateKeyPath } }));
  await own[Symbol.asyncDispose]();
  let reports = await tunnelStatus(world);
  while (reports[0]?.state !== "ended") reports = await tunnelStatus(world);
  expect(reports).toMatchObject([{ name: "t1", state: "ended", reason: expect.stringContaining("given up") }]);
  await startTunnel(world, request());
  expect(await tunnelStatus(world)).toMatchObject([{ state: "open" }]);
});

test("another version is replaced when it holds nothing, and kept when it holds a tunnel", async () => {
  const { id } = await (await backgroundClient(world)).ping();
  world = worldIn(folder, { version: "2" });
  using second = await backgroundClient(world, { version: "2" });
  expect(await second.ping()).toMatchObject({ version: "2", held: 0 });
  await second.startTunnel(request());
  using third = await backgroundClient(world, { version: "3" });
  expect(await third.ping()).toMatchObject({ version: "2", held: 1 });
  expect((await third.ping()).id).not.toBe(id);
});

test("what it writes is nobody else's to read, and holds no secrets", async () => {
  await startTunnel(world, request());
  const { socket, lock, log } = backgroundPlace(world);
  expect([socket, lock, log].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
  expect(statSync(world.folders.state).mode & 0o777).toBe(0o700);
  expect(readFileSync(log, "utf8")).toContain("t1: open");
  expect(readFileSync(log, "utf8")).not.toContain("PRIVATE KEY");
});

test("a state folder with a long path has its socket elsewhere, in a folder of ours", async () => {
  world = worldIn(join(folder, "long".repeat(30)));
  const { socket } = backgroundPlace(world);
  try {
    await startTunnel(world, request());
    expect(socket.length).toBeLessThan(100);
    expect(statSync(join(socket, "..")).mode & 0o777).toBe(0o700);
    expect(await tunnelStatus(world)).toMatchObject([{ name: "t1" }]);
  } finally {
    rmSync(join(socket, ".."), { recursive: true, force: true });
  }
});

test("what is not a request is answered or hung up on, and harms nobody", async () => {
  using client = await backgroundClient(world);
  const say = async (request: string) => {
    const socket = net.connect(backgroundPlace(world).socket);
    socket.write(request);
    const answer = Promise.withResolvers<string | undefined>();
    socket.once("data", (chunk) => answer.resolve(chunk.toString()));
    socket.on("error", () => {});
    socket.once("close", () => answer.resolve(undefined));
    const text = await answer.promise;
    socket.destroy();
    return text;
  };
  expect(await say("not json\n")).toBeUndefined();
  expect(JSON.parse(await say(`{"id":7,"method":"tunnel.start","parameters":{"name":1}}\n`) ?? "")).toMatchObject({
    id: 7,
    error: { kind: "bug" },
  });
  expect((await client.ping()).held).toBe(0);
});

test("a background process that cannot start says where to look", async () => {
  const script = join(folder, "broken.ts");
  writeFileSync(script, `console.error("no luck"); process.exit(1);`);
  const broken = { ...world, self: [process.execPath, script] };
  const error = await backgroundClient(broken, { startTimeoutMs: 300 }).catch((error) => error);
  expect(error.message).toBe("the background process does not start");
  expect(error.hint).toContain("no luck");
});
