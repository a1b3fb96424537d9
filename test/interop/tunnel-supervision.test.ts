// What happens to a tunnel when its session is killed or freezes, and what goes through it in bulk.
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import net from "node:net";
import type { Route } from "../../src/ssh/forward.ts";
import { connect } from "../../src/ssh/session.ts";
import { openTunnel, type Tunnel, type TunnelEvent, type TunnelOptions } from "../../src/ssh/tunnel.ts";
import { freePort, realWorld, type Sshd, startSshd } from "./sshd.ts";

// Processes are started, and a busy computer takes its time.
setDefaultTimeout(30_000);

let sshd: Sshd;
let echo: Service;
beforeAll(async () => {
  sshd = await startSshd();
  echo = await serveTcp((socket) => void socket.pipe(socket));
});
afterEach(() => sshd.signalConnections("SIGCONT"));
afterAll(async () => {
  await echo?.[Symbol.asyncDispose]();
  await sshd?.[Symbol.asyncDispose]();
});

async function open(forwards: readonly Route[], options: Partial<TunnelOptions> = {}) {
  const { address, privateKey, hostKey } = sshd;
  const events: TunnelEvent[] = [];
  const tunnel = await openTunnel({
    world: realWorld,
    connect: (signal) => connect({ world: realWorld, address, privateKey, hostKey, signal, timeoutMs: 5000 }),
    forwards,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { tunnel, events, ports: portsOf(tunnel), [Symbol.asyncDispose]: () => tunnel.close() };
}

const local = (remotePort: number): Route => ({
  kind: "local",
  bind: "127.0.0.1",
  localPort: 0,
  remoteHost: "127.0.0.1",
  remotePort,
});
const reverse = (localPort: number, remotePort = 0): Route => ({
  kind: "reverse",
  bind: "127.0.0.1",
  localPort,
  remoteHost: "127.0.0.1",
  remotePort,
});
const socks: Route = { kind: "socks", bind: "127.0.0.1", localPort: 0, remoteHost: null, remotePort: null };

/** The port that one connects to, of each way. */
function portsOf(tunnel: Tunnel): number[] {
  return tunnel.status().forwards.map(({ kind, localPort, remotePort }) => kind === "reverse" ? remotePort : localPort);
}

/** Says it and hears it again. */
async function ask(port = 0, text = "hello"): Promise<string> {
  const socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.end(text);
  return (await socket.toArray()).join("");
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(5);
}

test("a killed session is replaced at once, and nobody is refused meanwhile", async () => {
  await using opened = await open([local(echo.port)]);
  const [port] = opened.ports;
  let refused = 0;
  for (let round = 0; round < 8; round++) {
    sshd.dropConnections();
    const answers = await Promise.all([ask(port), ask(port)].map((answer) => answer.catch(() => refused++)));
    expect(answers).toEqual(["hello", "hello"]);
  }
  expect(refused).toBe(0);
  expect(opened.tunnel.status()).toMatchObject({ state: "open", reason: undefined });
  expect(opened.tunnel.status().reconnects).toBeGreaterThan(6);
});

test("where only the session is frozen, another one takes over, with default settings", async () => {
  await using opened = await open([local(echo.port)]);
  await ask(opened.ports[0]);
  sshd.signalConnections("SIGSTOP");
  expect(await ask(opened.ports[0])).toBe("hello");
  expect(opened.events.map(({ type }) => type)).toEqual(["silent", "reconnected"]);
});

test("where all of the server is frozen, what is open goes on when it is thawed, and nothing is cut", async () => {
  await using opened = await open([local(echo.port)], { busyProbeMs: 50, idleProbeMs: 50, answerMs: 100 });
  const talk = net.connect({ host: "127.0.0.1", port: opened.ports[0] ?? 0 });
  talk.write("a");
  await new Promise((resolve) => talk.once("data", resolve));
  process.kill(sshd.pid, "SIGSTOP");
  sshd.signalConnections("SIGSTOP");
  await until(() => opened.events.some(({ type }) => type === "silent"));
  expect(opened.tunnel.status().state).toBe("reconnecting");
  const waiting = ask(opened.ports[0], "waited");
  talk.write("b");
  await Bun.sleep(100);
  sshd.signalConnections("SIGCONT");
  process.kill(sshd.pid, "SIGCONT");
  expect(String(await new Promise((resolve) => talk.once("data", resolve)))).toBe("b");
  expect(await waiting).toBe("waited");
  await until(() => opened.tunnel.status().state === "open");
  talk.destroy();
});

test("a stream on a session that was replaced ends when that session stays silent", async () => {
  const quick = { busyProbeMs: 50, idleProbeMs: 50, answerMs: 100, replacedDeadAfterMs: 400 };
  await using opened = await open([local(echo.port)], quick);
  const talk = net.connect({ host: "127.0.0.1", port: opened.ports[0] ?? 0 });
  talk.write("a");
  await new Promise((resolve) => talk.once("data", resolve));
  const cut = new Promise((resolve) => talk.once("error", resolve).once("close", resolve));
  sshd.signalConnections("SIGSTOP");
  await cut;
  expect(opened.tunnel.status()).toMatchObject({ state: "open", reconnects: 1 });
});

test("a port of the remote leads here, is chosen there, and is the same after the session was lost", async () => {
  await using opened = await open([reverse(echo.port)]);
  const [port = 0] = opened.ports;
  expect(port).toBeGreaterThan(0);
  expect(await ask(port, "from there")).toBe("from there");
  expect(opened.tunnel.status().bytesIn).toBe(10);
  sshd.dropConnections();
  await until(() => opened.tunnel.status().reconnects === 1 && opened.tunnel.status().state === "open");
  expect(portsOf(opened.tunnel)).toEqual([port]);
  for (;;) {
    const answer = await ask(port, "again").catch(() => undefined);
    if (answer === "again") break;
  }
});

test("a frozen session still holds its port: the tunnel says so, and has it again later", async () => {
  await using opened = await open([reverse(echo.port)], { busyProbeMs: 50, idleProbeMs: 50, answerMs: 100 });
  const [port = 0] = opened.ports;
  sshd.signalConnections("SIGSTOP");
  await until(() => opened.events.some(({ type }) => type === "unbound"));
  expect(opened.tunnel.status()).toMatchObject({
    state: "reconnecting",
    reason: expect.stringContaining(`the port \`${port}\` cannot be bound`),
  });
  sshd.signalConnections("SIGCONT");
  await until(() => opened.events.some(({ type }) => type === "bound"));
  expect(opened.tunnel.status()).toMatchObject({ state: "open", reason: undefined });
  expect(await ask(port)).toBe("hello");
});

test("a port of the remote that is taken fails the start", async () => {
  const error = await open([reverse(echo.port, echo.port)]).catch((error) => error);
  expect(error.message).toBe(`the port \`${echo.port}\` cannot be bound on \`127.0.0.1\``);
  expect(error.hint).toContain("`0`");
});

test("a service here that has said all may still listen", async () => {
  const heard = Promise.withResolvers<string>();
  await using service = await serveTcp((socket) => {
    let text = "";
    socket.on("data", (chunk) => void (text += chunk)).once("end", () => heard.resolve(text));
    socket.end("bye");
  });
  await using opened = await open([reverse(service.port)]);
  const socket = net.connect({ host: "127.0.0.1", port: opened.ports[0] ?? 0, allowHalfOpen: true });
  let said = "";
  await new Promise((resolve) => socket.on("data", (chunk) => void (said += chunk)).once("end", resolve));
  expect(said).toBe("bye");
  socket.end("and more");
  expect(await heard.promise).toBe("and more");
});

test("a far end that stops reading holds the local writer back", async () => {
  await using stuck = await serveTcp((socket) => void socket.pause());
  await using opened = await open([local(stuck.port)]);
  const socket = net.connect({ host: "127.0.0.1", port: opened.ports[0] ?? 0 });
  const block = new Uint8Array(1_000_000);
  const push = () => {
    while (socket.write(block));
  };
  socket.on("drain", push).on("error", () => {});
  push();
  for (let last = -1; last !== opened.tunnel.status().bytesOut || last === 0;) {
    last = opened.tunnel.status().bytesOut;
    await Bun.sleep(80);
  }
  expect(opened.tunnel.status().bytesOut).toBeLessThan(40_000_000);
  // Others get through all the same.
  await using other = await open([local(echo.port)]);
  expect(await ask(other.ports[0])).toBe("hello");
  socket.destroy();
});

test("nobody here is a refusal there", async () => {
  const closed = await freePort();
  await using opened = await open([reverse(closed)]);
  expect(await ask(opened.ports[0]).catch(() => "reset")).toBe("reset");
  expect(opened.events).toMatchObject([{ type: "refused", route: { localPort: closed } }]);
});

test("through SOCKS names are resolved over there, with versions 4a and 5, and closed ports are told", async () => {
  await using opened = await open([socks]);
  const [port = 0] = opened.ports;
  const curl = async (...args: string[]) => {
    const child = Bun.spawn(["curl", "-s", "-o", "-", "-w", "%{http_code}", "--max-time", "5", ...args], {
      stdout: "pipe",
    });
    return `${await new Response(child.stdout).text()} ${await child.exited}`;
  };
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("here ") });
  try {
    const url = `http://localhost:${server.port}/`;
    expect(await curl("--proxy", `socks5h://127.0.0.1:${port}`, url)).toBe("here 200 0");
    expect(await curl("--proxy", `socks4a://127.0.0.1:${port}`, url)).toBe("here 200 0");
    expect(await curl("--proxy", `socks4://127.0.0.1:${port}`, `http://127.0.0.1:${server.port}/`)).toBe("here 200 0");
    // 97: the proxy refused.
    expect(await curl("--proxy", `socks5h://127.0.0.1:${port}`, "http://127.0.0.1:1/")).toBe("000 97");
    expect(await curl("--proxy", `socks5h://127.0.0.1:${port}`, "http://no.such.name.invalid/")).toBe("000 97");
  } finally {
    await server.stop(true);
  }
});

test("two hundred connections at once are right", async () => {
  await using opened = await open([local(echo.port)]);
  const texts = Array.from({ length: 200 }, (_, index) => `${index} `.repeat(2000 + index));
  const answers = await Promise.all(texts.map((text) => ask(opened.ports[0], text)));
  expect(answers.every((answer, index) => answer === texts[index])).toBe(true);
  await until(() => opened.tunnel.status().connections === 0);
});

test("a local end that goes away in the middle leaves nothing behind", async () => {
  await using flood = await serveTcp((socket) => {
    const push = () => {
      while (socket.write(new Uint8Array(100_000)));
    };
    socket.on("drain", push);
    push();
  });
  await using opened = await open([local(flood.port)]);
  for (let round = 0; round < 20; round++) {
    const socket = net.connect({ host: "127.0.0.1", port: opened.ports[0] ?? 0 });
    await new Promise((resolve) => socket.once("data", resolve));
    socket.resetAndDestroy();
  }
  await until(() => opened.tunnel.status().connections === 0 && flood.count() === 0);
});

interface Service extends AsyncDisposable {
  readonly port: number;
  count(): number;
}

async function serveTcp(onConnection: (socket: net.Socket) => void): Promise<Service> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
    onConnection(socket);
  }).listen({ port: 0, host: "127.0.0.1", backlog: 511 });
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no port");
  return {
    port: address.port,
    count: () => sockets.size,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
