import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import { connect } from "../../src/ssh/session.ts";
import type { ResolvedForward } from "../../src/ssh/forward.ts";
import { openTunnel, type Tunnel, type TunnelEvent, type TunnelOptions } from "../../src/ssh/tunnel.ts";
import { realWorld, type Sshd, startSshd } from "./sshd.ts";

let sshd: Sshd;
let server: ReturnType<typeof Bun.serve>;
beforeAll(async () => {
  sshd = await startSshd();
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      if (new URL(request.url).pathname === "/hang") {
        return new Response(new ReadableStream({ start: (to) => to.enqueue("begin") }));
      }
      return new Response(await request.arrayBuffer());
    },
  });
});
afterAll(async () => {
  await server?.stop(true);
  await sshd?.[Symbol.asyncDispose]();
});

function open(options: Partial<TunnelOptions> = {}): Promise<Tunnel> {
  const { address, privateKey, hostKey } = sshd;
  return openTunnel({
    world: realWorld,
    connect: (signal) => connect({ world: realWorld, address, privateKey, hostKey, signal, timeoutMs: 5000 }),
    forwards: [forwardTo(server.port ?? 0)],
    ...options,
  });
}

function forwardTo(remotePort: number, localPort = 0): ResolvedForward {
  return { kind: "local", bind: "127.0.0.1", localPort, remoteHost: "127.0.0.1", remotePort };
}

function portOf(tunnel: Tunnel): number {
  return tunnel.status().forwards[0]?.localPort ?? 0;
}

async function post(tunnel: Tunnel, body: string | Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const answer = await fetch(`http://127.0.0.1:${portOf(tunnel)}/`, { method: "POST", body, keepalive: false });
  return answer.bytes();
}

test("carries bytes both ways and counts them", async () => {
  await using tunnel = await open();
  const bytes = new Uint8Array(randomBytes(30_000_000));
  const hash = (of: Uint8Array) => createHash("sha256").update(of).digest("hex");
  expect(hash(await post(tunnel, bytes))).toBe(hash(bytes));
  const status = tunnel.status();
  expect(status.state).toBe("open");
  expect(status.bytesIn).toBeGreaterThan(30_000_000);
  expect(status.bytesOut).toBeGreaterThan(30_000_000);
});

test("each direction ends by itself", async () => {
  await using echo = await serveTcp((socket) => {
    let text = "";
    socket.on("data", (chunk) => void (text += chunk)).on("end", () => socket.end(text.toUpperCase()));
  });
  await using tunnel = await open({ forwards: [forwardTo(echo.port)] });
  const socket = net.connect({ host: "127.0.0.1", port: portOf(tunnel), allowHalfOpen: true });
  socket.end("hello");
  expect((await socket.toArray()).join("")).toBe("HELLO");
});

test("a local end that stops reading holds the remote back", async () => {
  let sent = 0;
  await using flood = await serveTcp((socket) => {
    const push = () => {
      while (socket.write(new Uint8Array(1_000_000))) sent += 1_000_000;
    };
    socket.on("drain", push);
    push();
  });
  await using tunnel = await open({ forwards: [forwardTo(flood.port)] });
  const socket = net.connect({ host: "127.0.0.1", port: portOf(tunnel) });
  socket.pause();
  for (let last = -1; last !== sent || sent === 0;) {
    last = sent;
    await Bun.sleep(80);
  }
  expect(tunnel.status().bytesIn).toBeLessThan(40_000_000);
  socket.destroy();
});

test("survives a restart of the server: the port stays, who connects meanwhile is served, who was cut is told", async () => {
  const events: TunnelEvent[] = [];
  await using tunnel = await open({ onEvent: (event) => events.push(event) });
  const port = portOf(tunnel);
  const hanging = await fetch(`http://127.0.0.1:${port}/hang`);
  const cut = hanging.text().then(() => "ended", () => "cut");
  await sshd.kill();
  expect(await cut).toBe("cut");
  const waiting = post(tunnel, "patience");
  while (!events.some(({ type }) => type === "retry")) await Bun.sleep(5);
  expect(tunnel.status()).toMatchObject({ state: "reconnecting", reason: expect.stringContaining("refused") });
  await sshd.start();
  expect(Buffer.from(await waiting).toString()).toBe("patience");
  expect(tunnel.status()).toMatchObject({ state: "open", reconnects: 1, reason: undefined });
  expect(portOf(tunnel)).toBe(port);
});

test("comes back by itself when only the connection dies", async () => {
  await using tunnel = await open();
  sshd.dropConnections();
  expect(Buffer.from(await post(tunnel, "again")).toString()).toBe("again");
});

test("gives up after the time it is given, with the reason", async () => {
  const tunnel = await open({ giveUpAfterMs: 200 });
  const waiting = post(tunnel, "x").then(() => post(tunnel, "x"));
  await waiting;
  await sshd.kill();
  const error = await tunnel.closed;
  expect(error?.message).toMatch(/given up after 0 s: .*refused/);
  await expect(fetch(`http://127.0.0.1:${portOf(tunnel)}/`)).rejects.toThrow();
  await sshd.start();
});

test("a port that nobody serves on the remote is a reset, and an event", async () => {
  const events: TunnelEvent[] = [];
  await using tunnel = await open({ forwards: [forwardTo(1)], onEvent: (event) => events.push(event) });
  await expect(fetch(`http://127.0.0.1:${portOf(tunnel)}/`)).rejects.toThrow();
  expect(events).toMatchObject([{ type: "refused", route: { remotePort: 1 } }]);
});

test("a port in use fails the whole start, and names who has it", async () => {
  await using taken = await serveTcp(() => {});
  const free = await freePort();
  const error = await open({ forwards: [forwardTo(1, free), forwardTo(1, taken.port)] }).catch((error) => error);
  expect(error.message).toMatch(
    new RegExp(`^the local port \`${taken.port}\` is in use by \`.+\` \\(process ${process.pid}\\)$`),
  );
  expect(error.hint).toContain("`--forward 0:127.0.0.1:1`");
  await expect(fetch(`http://127.0.0.1:${free}/`)).rejects.toThrow();
});

test("a login that fails fails the start and leaves no port", async () => {
  const free = await freePort();
  await expect(open({
    forwards: [forwardTo(1, free)],
    connect: () => Promise.reject(new Error("no")),
  })).rejects.toThrow("no");
  await expect(fetch(`http://127.0.0.1:${free}/`)).rejects.toThrow();
});

async function freePort(): Promise<number> {
  await using server = await serveTcp(() => {});
  return server.port;
}

async function serveTcp(onConnection: (socket: net.Socket) => void) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
