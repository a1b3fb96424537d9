import { expect, test } from "bun:test";
import type { Duplex } from "node:stream";
import { SshError } from "../../src/ssh/failure.ts";
import type { Session } from "../../src/ssh/session.ts";
import { openTunnel, type TunnelEvent, type TunnelOptions } from "../../src/ssh/tunnel.ts";
import { FakeClock } from "../fake/clock.ts";

/** A session without a network: it answers probes until it is told to be silent or dead. */
class FakeSession implements Session {
  readonly address = { host: "fake", port: 22, user: "fake" };
  readonly #over = Promise.withResolvers<Error | undefined>();
  readonly closed = this.#over.promise;
  #isSilent = false;
  isDisposed = false;

  fallSilent(): void {
    this.#isSilent = true;
  }
  die(): void {
    this.#over.resolve(new SshError("gone", { reason: "lost" }));
  }
  latency(): Promise<number> {
    return this.#isSilent ? new Promise(() => {}) : Promise.resolve(7);
  }
  exec(): Promise<never> {
    return Promise.reject(new Error("not here"));
  }
  openStream(): Promise<Duplex> {
    return Promise.reject(new Error("not here"));
  }
  upload(): Promise<void> {
    return Promise.reject(new Error("not here"));
  }
  download(): Promise<void> {
    return Promise.reject(new Error("not here"));
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    this.#over.resolve(undefined);
    return Promise.resolve();
  }
}

const refused = () => new SshError("refused", { reason: "refused" });

async function setUp(options: Partial<TunnelOptions> = {}) {
  const clock = new FakeClock({ mode: "manual" });
  const sessions: FakeSession[] = [];
  const events: TunnelEvent[] = [];
  const network = { failure: undefined as Error | undefined };
  const tunnel = await openTunnel({
    world: { clock, platform: process.platform },
    forwards: [{ bind: "127.0.0.1", localPort: 0, remoteHost: "localhost", remotePort: 1 }],
    connect: () => {
      if (network.failure) return Promise.reject(network.failure);
      const session = new FakeSession();
      sessions.push(session);
      return Promise.resolve(session);
    },
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { clock, sessions, events, network, tunnel };
}

test("a session that no longer answers its probe is replaced", async () => {
  const { clock, sessions, tunnel } = await setUp({ probeEveryMs: 10_000 });
  await using _ = tunnel;
  await clock.advance(15_000);
  expect(tunnel.status()).toMatchObject({ state: "open", latencyMs: 7, reconnects: 0 });
  sessions[0]?.fallSilent();
  await clock.advance(20_000);
  expect(sessions.map(({ isDisposed }) => isDisposed)).toEqual([true, false]);
  expect(tunnel.status()).toMatchObject({ state: "open", reconnects: 1 });
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

test("it is given up after its time, with the reason", async () => {
  const { clock, sessions, network, tunnel } = await setUp({ giveUpAfterMs: 300_000 });
  network.failure = refused();
  sessions[0]?.die();
  await clock.advance(290_000);
  expect(tunnel.status().state).toBe("reconnecting");
  await clock.advance(20_000);
  expect((await tunnel.closed)?.message).toBe("the tunnel was given up after 300 s: refused");
});

test("another host key ends it at once", async () => {
  const { clock, sessions, network, tunnel } = await setUp();
  network.failure = new SshError("changed", { reason: "host-key" });
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
