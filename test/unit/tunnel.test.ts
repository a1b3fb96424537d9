import { expect, test } from "bun:test";
import type { Duplex } from "node:stream";
import { SshError } from "../../src/ssh/failure.ts";
import { GoneError } from "../../src/ssh/reconnect.ts";
import type { Session } from "../../src/ssh/session.ts";
import { openTunnel, type TunnelEvent, type TunnelOptions } from "../../src/ssh/tunnel.ts";
import { FakeClock } from "../fake/clock.ts";

const notHere = () => Promise.reject(new Error("not here"));

/** A session without a network: it answers probes until it is told to be silent or dead. */
function fakeSession() {
  const over = Promise.withResolvers<Error | undefined>();
  let silence: PromiseWithResolvers<number> | undefined;
  const fake = {
    isDisposed: false,
    probes: 0,
    fallSilent: () => void (silence = Promise.withResolvers()),
    /** Answers what it was asked meanwhile. */
    speak() {
      silence?.resolve(9);
      silence = undefined;
    },
    die: () => over.resolve(new SshError("gone", { reason: "lost" })),
    address: { host: "fake", port: 22, user: "fake" },
    closed: over.promise,
    latency() {
      fake.probes++;
      return silence?.promise ?? Promise.resolve(7);
    },
    openStream: (): Promise<Duplex> => notHere(),
    exec: notHere,
    listen: notHere,
    upload: notHere,
    download: notHere,
    sftp: notHere,
    [Symbol.asyncDispose]() {
      fake.isDisposed = true;
      over.resolve(undefined);
      return Promise.resolve();
    },
  };
  return fake;
}

const refused = () => new SshError("refused", { reason: "refused" });

async function setUp(options: Partial<TunnelOptions> = {}) {
  const clock = new FakeClock({ mode: "manual" });
  const sessions: ReturnType<typeof fakeSession>[] = [];
  const events: TunnelEvent[] = [];
  const network = { failure: undefined as Error | undefined, attempts: 0 };
  const tunnel = await openTunnel({
    world: { clock, platform: process.platform, dial: notHere },
    forwards: [{ kind: "local", bind: "127.0.0.1", localPort: 0, remoteHost: "localhost", remotePort: 1 }],
    connect: () => {
      network.attempts++;
      if (network.failure) return Promise.reject(network.failure);
      const session = fakeSession();
      sessions.push(session);
      return Promise.resolve(session as Partial<Session> as Session);
    },
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { clock, sessions, events, network, tunnel };
}

const typesOf = (events: readonly TunnelEvent[]) => events.map(({ type }) => type);

test("a session that no longer answers its probe is replaced within four seconds", async () => {
  const { clock, sessions, events, tunnel } = await setUp();
  await using _ = tunnel;
  await clock.advance(15_000);
  expect(tunnel.status()).toMatchObject({ state: "open", latencyMs: 7, reconnects: 0 });
  sessions[0]?.fallSilent();
  await clock.advance(3900);
  expect(sessions.map(({ isDisposed }) => isDisposed)).toEqual([true, false]);
  expect(tunnel.status()).toMatchObject({ state: "open", reconnects: 1, reason: undefined });
  expect(typesOf(events)).toEqual(["silent", "reconnected"]);
});

test("a session that was only slow goes on where nothing better was found", async () => {
  const { clock, sessions, events, network, tunnel } = await setUp();
  await using _ = tunnel;
  network.failure = refused();
  sessions[0]?.fallSilent();
  await clock.advance(20_000);
  expect(tunnel.status()).toMatchObject({ state: "reconnecting", reason: "refused" });
  sessions[0]?.speak();
  await clock.advance(0);
  expect(tunnel.status()).toMatchObject({ state: "open", reconnects: 0, reason: undefined });
  expect(typesOf(events).filter((type) => type !== "retry")).toEqual(["silent", "answers"]);
  network.failure = undefined;
  await clock.advance(60_000);
  expect(sessions.length).toBe(1);
});

test("a session that stays silent is dead after a minute", async () => {
  const { clock, sessions, network, tunnel } = await setUp();
  await using _ = tunnel;
  network.failure = refused();
  sessions[0]?.fallSilent();
  await clock.advance(58_000);
  expect(sessions[0]?.isDisposed).toBe(false);
  await clock.advance(6000);
  expect(sessions[0]?.isDisposed).toBe(true);
});

test("probing an idle tunnel costs a question in two seconds", async () => {
  const { clock, sessions, tunnel } = await setUp();
  await using _ = tunnel;
  await clock.advance(60_000);
  expect(sessions[0]?.probes).toBe(30);
});

test("retries slow down to one in five seconds, and go on while nobody sets an end", async () => {
  const { clock, sessions, events, network, tunnel } = await setUp();
  await using _ = tunnel;
  network.failure = refused();
  sessions[0]?.die();
  await clock.advance(600_000);
  const waits = events.flatMap((event) => event.type === "retry" ? [event.inMs] : []);
  expect(waits.slice(0, 7)).toEqual([100, 250, 500, 1000, 2000, 5000, 5000]);
  expect(waits.length).toBeGreaterThan(100);
  network.failure = undefined;
  await clock.advance(5000);
  expect(tunnel.status()).toMatchObject({ state: "open", reconnects: 1, reason: undefined });
});

test("after the computer's sleep it is tried at once, and a night is no time without an answer", async () => {
  const clock = new SleepyClock();
  const { sessions, network, tunnel } = await setUp({
    world: { clock, platform: process.platform, dial: notHere },
    giveUpAfterMs: 300_000,
  });
  await using _ = tunnel;
  network.failure = refused();
  sessions[0]?.die();
  await clock.advance(60_300);
  const before = network.attempts;
  clock.fallAsleep(8 * 3_600_000);
  await clock.advance(1000);
  expect(network.attempts).toBe(before + 1);
  expect(tunnel.status().state).toBe("reconnecting");
});

test("it is given up after its time, with the reason", async () => {
  const { clock, sessions, network, tunnel } = await setUp({ giveUpAfterMs: 300_000 });
  network.failure = refused();
  sessions[0]?.die();
  await clock.advance(290_000);
  expect(tunnel.status().state).toBe("reconnecting");
  await clock.advance(20_000);
  expect((await tunnel.closed)?.message).toBe("the tunnel was given up after 300 s: refused");
});

test.each([
  ["another host key", new SshError("changed", { reason: "host-key" })],
  ["a machine that was stopped", new GoneError("changed")],
])("%s ends it at once", async (_what, failure) => {
  const { clock, sessions, network, tunnel } = await setUp();
  network.failure = failure;
  sessions[0]?.die();
  await clock.advance(0);
  expect((await tunnel.closed)?.message).toBe("changed");
});

test("who connects while it is down waits for a bounded time", async () => {
  const { clock, sessions, network, tunnel, events } = await setUp({ waitMs: 30_000 });
  await using _ = tunnel;
  network.failure = refused();
  sessions[0]?.die();
  await clock.advance(0);
  const url = `http://127.0.0.1:${tunnel.status().forwards[0]?.localPort}/`;
  const answer = fetch(url).then(() => "answered", () => "reset");
  while (tunnel.status().connections === 0) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(31_000);
  expect(await answer).toBe("reset");
  expect(events.find(({ type }) => type === "refused")).toMatchObject({
    error: { message: "the tunnel did not come back within 30 s" },
  });
});

test("closing it while it reconnects is no error", async () => {
  const { clock, sessions, network, tunnel } = await setUp();
  network.failure = refused();
  sessions[0]?.die();
  await clock.advance(1000);
  await tunnel.close();
  expect(await tunnel.closed).toBeUndefined();
});

/** A clock whose day goes on while nothing else does. */
class SleepyClock extends FakeClock {
  #sleptMs = 0;

  constructor() {
    super({ mode: "manual" });
  }
  fallAsleep(ms: number): void {
    this.#sleptMs += ms;
  }
  override now(): number {
    return super.now() + this.#sleptMs;
  }
  override monotonic(): number {
    return super.now();
  }
}
