import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAgent } from "../../src/agent/agent.ts";
import type { Context } from "../../src/command.ts";
import { Config } from "../../src/config.ts";
import { moveLeaseOnInstance } from "../../src/rent/agent-extend.ts";
import { agentRequest } from "../../src/rent/agent-request.ts";
import { readAgentStatus } from "../../src/rent/agent-status.ts";
import { extendLease } from "../../src/rent/extend.ts";
import { type Journal, openJournal } from "../../src/rent/journal.ts";
import { launchInstance } from "../../src/rent/launch.ts";
import type { Launch } from "../../src/rent/rows.ts";
import { writeSecret } from "../../src/secrets.ts";
import { type SshServer, startSshServer } from "../../src/ssh/server.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { realClock } from "../../src/outside.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { FakeStatusDaemon } from "../fake/status-daemon.ts";
import { FakeProvider } from "../fake/provider.ts";

const hourMs = 3_600_000;

/** What lies between us and a daemon, where answers get lost. */
function relayTo(daemon: FakeStatusDaemon) {
  const state = { asked: 0, extend: "through" as "through" | "lost after it worked" | "lost before" | "fails" };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const silence = new Promise<Response>(() => {});
      const trouble = pathname === "/extend" ? state.extend : "through";
      if (pathname === "/extend") state.asked += 1;
      if (trouble === "lost before") return await silence;
      const { method, headers } = request;
      const body = method === "POST" ? await request.text() : undefined;
      // What it cannot read it answers with a web page.
      const sent = trouble === "fails" ? body?.replace(/\d+/, "1.5") : body;
      const answer = await fetch(`${daemon.url}${pathname}`, { method, headers, body: sent });
      return trouble === "lost after it worked" ? await silence : answer;
    },
  });
  return { state, port: server.port ?? 0, stop: () => server.stop(true) };
}

let root: string;
let home: string;
let journal: Journal;
let launch: Launch;
let ssh: SshServer;
let agentPort: number;
let provider: Provider;
let context: Context;
let notes: string[];
let daemon: FakeStatusDaemon;
let relay: ReturnType<typeof relayTo>;
let settings: unknown;
let isHurried: boolean;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "gpu-extend-"));
  home = join(root, "home");
  notes = [];
  settings = {};
  isHurried = false;
  daemon = new FakeStatusDaemon({ clock: realClock, token: "daemon-token", gpuUtilization: -1 });
  relay = relayTo(daemon);
  agentPort = relay.port;
  // A time-out of many seconds is over at once where a test asks for it; everything else takes its time.
  const clock = {
    ...realClock,
    sleep: (ms: number, signal?: AbortSignal) =>
      realClock.sleep(isHurried && ms >= 3_000 && ms < 20_000 ? 150 : ms, signal),
  };
  const world = ciWorld({
    home: root,
    clock,
    dial: ({ port }) =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port });
        socket.once("connect", () => resolve(socket)).once("error", reject);
      }),
  });
  const cloud = new FakeProvider({ clock });
  const facts = {
    ...cloud.facts,
    bringsAgent: false,
    get services() {
      const agent = { host: "127.0.0.1", port: agentPort };
      return { agent, ci: agent };
    },
  };
  provider = {
    name: "fake",
    facts,
    offers: (signal) => cloud.offers(signal),
    launch: (request, signal) => cloud.launch(request, signal),
    list: (signal) => cloud.list(signal),
    get: (id, signal) => cloud.get(id, signal),
    terminate: (id, signal) => cloud.terminate(id, signal),
  };
  journal = await openJournal(world);
  const launched = await launchInstance({ world, journal, provider, run: "a1", request: { hours: 4 } });
  const request = cloud.machines[0]?.request;
  if (request === undefined) throw new Error("nothing was launched");
  ssh = await startSshServer({
    world,
    kill: () => {},
    hostKey: request.hostKey.privateKey,
    authorizedKeys: [request.authorizedKey],
    user: "ubuntu",
    home: root,
    shell: "/bin/sh",
    environment: {},
  });
  launch = { ...launched, host: "127.0.0.1", port: ssh.port, user: "ubuntu" };
  context = {
    world,
    signal: new AbortController().signal,
    journal: () => Promise.resolve(journal),
    provider: () => Promise.resolve(provider),
    config: () => Promise.resolve(Config.parse(settings)),
    note: (text: string) => void notes.push(text),
    progress: () => {},
  } as unknown as Context;
  await writeSecret(world, "statusDaemon", "daemon-token");
});

afterEach(async () => {
  await ssh[Symbol.asyncDispose]();
  await relay.stop();
  await daemon[Symbol.asyncDispose]();
  journal[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

const leaseEnd = () => journal.launch(launch.token)?.leaseEndsAt ?? 0;
const hoursOf = (from: number, to: number) => Math.round((to - from) / hourMs * 100) / 100;

describe("a status daemon that was there before", () => {
  test("is asked with its own token, in whole hours and as a form, and the journal keeps the exact end", async () => {
    const before = daemon.shutdownMs;
    const extended = await extendLease(context, launch, 1.5);
    expect(extended).toMatchObject({ extendedByHours: 1.5, limit: null, costDollars: 1.125 });
    expect(leaseEnd()).toBe(launch.leaseEndsAt + 1.5 * hourMs);
    expect(hoursOf(before, daemon.shutdownMs)).toBe(2);
    expect(notes).toEqual([]);
    // The first question alone came with the token of our own agent, and was let in nowhere.
    const form = "application/x-www-form-urlencoded";
    expect(daemon.requests).toEqual(["GET /status", "GET /status", `POST /extend ${form}`]);
  });

  test("is not asked for hours that it gives already", async () => {
    daemon.shutdownMs = launch.leaseEndsAt + 10 * hourMs;
    await extendLease(context, launch, 3);
    expect(daemon.requests.filter((request) => request.startsWith("POST"))).toEqual([]);
    expect(leaseEnd()).toBe(launch.leaseEndsAt + 3 * hourMs);
  });

  test("that gives less is believed: the lease is no longer than what it gave, and that is said", async () => {
    const extended = await extendLease(context, launch, 20);
    expect(extended.limit).toMatch(/gave 7 of 2[01] h: its limit is reached/);
    expect(leaseEnd()).toBe(daemon.shutdownMs);
    expect(extended.extendedByHours).toBeCloseTo(7, 1);
  });

  test("at its limit answers 200 with nothing, and nothing is longer", async () => {
    await using spent = new FakeStatusDaemon({ clock: realClock, token: "daemon-token", maxLeaseHours: 0 });
    agentPort = spent.port;
    await expect(extendLease(context, launch, 2)).rejects.toThrow("refuses a longer lease: its limit is reached");
    expect(leaseEnd()).toBe(launch.leaseEndsAt);
  });

  test("whose answer is lost is asked what became of it, never for the hours again", async () => {
    isHurried = true;
    relay.state.extend = "lost after it worked";
    const before = daemon.shutdownMs;
    await extendLease(context, launch, 2);
    expect(hoursOf(before, daemon.shutdownMs)).toBe(2);
    expect(leaseEnd()).toBe(launch.leaseEndsAt + 2 * hourMs);
    expect(hoursAsked()).toBe(1);
  });

  test("that did nothing and said nothing leaves the lease as it is", async () => {
    isHurried = true;
    relay.state.extend = "lost before";
    await expect(extendLease(context, launch, 2)).rejects.toThrow("did not answer, and its end has not moved");
    expect(leaseEnd()).toBe(launch.leaseEndsAt);
    expect(hoursAsked()).toBe(1);
  });

  test("that fails with a web page is no reason to believe anything", async () => {
    relay.state.extend = "fails";
    settings = { lease: { enforce: "agent" } };
    await expect(extendLease(context, launch, 2)).rejects.toThrow("answered 500 when asked for a longer lease");
    expect(leaseEnd()).toBe(launch.leaseEndsAt);
  });

  test("whose token is not known is named, and the lease still moves here, where it is held", async () => {
    await writeSecret(context.world, "statusDaemon", "another-token");
    await extendLease(context, launch, 1);
    expect(notes).toEqual([expect.stringContaining("does not accept the token")]);
    expect(leaseEnd()).toBe(launch.leaseEndsAt + hourMs);
  });

  test("tells a listing what it knows, and -1 is not known", async () => {
    expect(await readAgentStatus(context, launch)).toMatchObject({
      server: "daemon",
      gpuUtilization: undefined,
      idleMinutes: 0,
      shutdownAt: daemon.shutdownMs,
    });
  });

  test("that looks itself up for half a minute keeps no listing waiting", async () => {
    isHurried = true;
    daemon.isLost = true;
    expect(await readAgentStatus(context, launch)).toBeUndefined();
  });

  function hoursAsked(): number {
    return relay.state.asked;
  }
});

describe("our own agent", () => {
  async function withAgent(work: () => Promise<void>) {
    const token = journal.agentToken(launch.token) ?? "";
    const lease = {
      path: join(home, "lease.json"),
      begin: { createdAt: launch.launchedAt ?? 0, leaseEndsAt: launch.leaseEndsAt },
    };
    await using agent = await startAgent({
      world: context.world,
      port: 0,
      token,
      dataFolder: join(home, "data"),
      lease,
    });
    agentPort = Number(new URL(agent.address).port);
    await work();
  }

  test("takes the exact end, also beyond what others may ask for", async () => {
    await withAgent(async () => {
      await extendLease(context, launch, 30.25);
      const status = await readAgentStatus(context, launch);
      expect(status).toMatchObject({ server: "gpu", shutdownAt: launch.leaseEndsAt + 30.25 * hourMs });
      expect(leaseEnd()).toBe(launch.leaseEndsAt + 30.25 * hourMs);
    });
  });

  test("may be asked twice", async () => {
    await withAgent(async () => {
      const until = launch.leaseEndsAt + hourMs;
      expect(await moveLeaseOnInstance(context, launch, until)).toEqual({ endsAt: until, limit: undefined });
      expect(await moveLeaseOnInstance(context, launch, until)).toEqual({ endsAt: until, limit: undefined });
    });
  });

  test("answers much in one piece", async () => {
    await withAgent(async () => {
      const { status, text, asked } = await agentRequest(context, launch, "/metrics");
      expect({ status, asked }).toEqual({ status: 200, asked: "agent" });
      expect(text).toContain("gpu_agent_lease_left_seconds ");
    });
  });
});

test("where nobody listens on the instance, the lease is held here and nothing is said", async () => {
  await relay.stop();
  await extendLease(context, launch, 1);
  expect({ notes, end: leaseEnd() }).toEqual({ notes: [], end: launch.leaseEndsAt + hourMs });
  expect(await readAgentStatus(context, launch)).toBeUndefined();
});

test("where the agent itself ends the instance, it must hear of a longer lease", async () => {
  await relay.stop();
  settings = { lease: { enforce: "agent" } };
  await expect(extendLease(context, launch, 1)).rejects.toThrow("the lease is not longer");
  expect(leaseEnd()).toBe(launch.leaseEndsAt);
});
