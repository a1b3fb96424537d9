// The tunnels of a background process, in this one.
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Locate } from "../../src/background/locate.ts";
import { UnansweredError } from "../../src/background/question.ts";
import { readTunnelLog } from "../../src/background/tunnel-log.ts";
import type { Destination, TunnelRequest } from "../../src/background/tunnel-protocol.ts";
import { createTunnels, type Tunnels } from "../../src/background/tunnels.ts";
import { outside } from "../../src/outside.ts";
import type { Route } from "../../src/ssh/forward.ts";
import type { World } from "../../src/world.ts";
import { type Sshd, startSshd } from "./sshd.ts";

// Processes are started, and a busy computer takes its time.
setDefaultTimeout(30_000);

let sshd: Sshd;
let server: ReturnType<typeof Bun.serve>;
let folder: string;
let world: World;
let tunnels: Tunnels;
let locate: Locate;
const never = new AbortController().signal;

beforeAll(async () => {
  sshd = await startSshd();
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("here") });
});
afterAll(async () => {
  await server?.stop(true);
  await sshd?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-tunnels-"));
  world = {
    ...outside(process, { onClosedPipe: () => {} }),
    env: { PATH: process.env.PATH, HOME: folder },
    home: folder,
    folders: { config: folder, state: folder, cache: folder },
  };
  locate = () => Promise.resolve(undefined);
  tunnels = createTunnels({
    world,
    giveUpAfterMs: 60_000,
    onChange() {},
    log() {},
    locate: (...asked) => locate(...asked),
  });
});
afterEach(async () => {
  await tunnels.stop({});
  rmSync(folder, { recursive: true, force: true });
});

const routeFrom = (localPort: number): Route => ({
  kind: "local",
  bind: "127.0.0.1",
  localPort,
  remoteHost: "localhost",
  remotePort: server.port ?? 0,
});

function request(name: string, changes: Partial<TunnelRequest> = {}): TunnelRequest {
  const { address, hostKey, privateKeyPath } = sshd;
  const to: Destination = { kind: "instance", instanceId: "i-1", token: "00", address, hostKey, privateKeyPath };
  return { name, to, routes: [routeFrom(0)], ...changes };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(5);
}

const get = async (port = 0) => await (await fetch(`http://127.0.0.1:${port}/`, { keepalive: false })).text();
const eventsOf = (tunnel: string) =>
  readTunnelLog(world).filter((entry) => entry.tunnel === tunnel).map(({ event }) => event);

test("a port that another tunnel has is named by that tunnel", async () => {
  const { forwards: [forward] } = await tunnels.start(request("first"), never);
  const port = forward?.localPort ?? 0;
  const error = await tunnels.start(request("second", { routes: [routeFrom(port)] }), never).catch((error) => error);
  expect(error.message).toBe(`the local port \`${port}\` belongs to the tunnel \`first\``);
  expect(error.hint).toContain(`\`--forward 0:${server.port}\``);
  expect(tunnels.heldCount()).toBe(1);
});

test("an instance that has another address is found there, with the same host key", async () => {
  // The way to it that will be gone.
  const sockets = new Set<net.Socket>();
  const way = net.createServer((near) => {
    const far = net.connect(sshd.address.port, "127.0.0.1");
    for (const socket of [near, far]) sockets.add(socket.on("error", () => {}));
    near.pipe(far).pipe(near);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => way.once("listening", resolve));
  const at = way.address();
  const address = { ...sshd.address, port: typeof at === "object" && at ? at.port : 0 };
  const asked: boolean[] = [];
  locate = (_token, { isLost }) => {
    asked.push(isLost);
    return Promise.resolve({ address: isLost ? sshd.address : address, hostKey: sshd.hostKey });
  };
  const { hostKey, privateKeyPath } = sshd;
  const to: Destination = { kind: "instance", instanceId: "i-1", token: "00", address, hostKey, privateKeyPath };
  const { forwards: [forward] } = await tunnels.start(request("moved", { to }), never);
  way.close();
  for (const socket of sockets) socket.destroy();
  expect(await get(forward?.localPort)).toBe("here");
  // The journal is looked at first, and the provider is asked once the known address fails.
  expect(asked).toEqual([false, true]);
});

test("a host key that is another one after a reconnect ends it, and nobody is let through", async () => {
  const { forwards: [forward] } = await tunnels.start(request("watched"), never);
  await using other = await startSshd();
  locate = () => Promise.resolve({ address: other.address, hostKey: sshd.hostKey });
  sshd.dropConnections();
  await until(() => tunnels.status({})[0]?.state === "ended");
  expect(tunnels.status({})[0]?.reason).toContain("host key");
  await expect(get(forward?.localPort)).rejects.toThrow();
});

test("a tunnel to an instance that was stopped ends, and says so", async () => {
  await tunnels.start(request("gone"), never);
  locate = () => Promise.resolve("gone");
  sshd.dropConnections();
  await until(() => tunnels.status({})[0]?.state === "ended");
  expect(tunnels.status({})).toMatchObject([{ state: "ended", reason: "`i-1` was stopped" }]);
  expect(eventsOf("gone")).toEqual(["open", "lost", "ended"]);
});

test("what a person has to say is asked once, and serves the reconnects", async () => {
  const key = join(folder, "key");
  copyFileSync(sshd.privateKeyPath, key);
  Bun.spawnSync(["ssh-keygen", "-q", "-a", "1", "-p", "-P", "", "-N", "open sesame", "-f", key]);
  writeFileSync(join(folder, "known_hosts"), `[127.0.0.1]:${sshd.address.port} ${sshd.hostKey}\n`);
  const to: Destination = {
    kind: "host",
    name: "lab",
    login: {
      ...{ address: sshd.address, identities: [key], identitiesOnly: true, certificates: [], agent: null },
      ...{ knownHosts: [join(folder, "known_hosts")], hostKeyAlias: null, unknownHost: "refuse", jumps: [] },
      ...{ proxyCommand: null, connectTimeoutMs: 5000, mayAskPassword: true },
    },
  };
  const error = await tunnels.start(request("lab", { to }), never).catch((error) => error);
  expect(error).toBeInstanceOf(UnansweredError);
  expect(error.question).toEqual({ text: `passphrase of \`${key}\``, isSecret: true });
  expect(tunnels.heldCount()).toBe(0);
  const answers = { [error.question.text]: "open sesame" };
  const { forwards: [forward] } = await tunnels.start(request("lab", { to, answers }), never);
  sshd.dropConnections();
  await until(() => tunnels.status({})[0]?.reconnects === 1);
  expect(await get(forward?.localPort)).toBe("here");
  expect(JSON.stringify(readTunnelLog(world))).not.toContain("sesame");
  // What is known of the host is read anew for each session.
  appendFileSync(join(folder, "known_hosts"), `@revoked [127.0.0.1]:${sshd.address.port} ${sshd.hostKey}\n`);
  sshd.dropConnections();
  await until(() => tunnels.status({})[0]?.state === "ended");
  expect(tunnels.status({})[0]?.reason).toMatch(/revoked|withdrawn/i);
});
