// The agent is put on a machine behind a real OpenSSH server. Bun stands in for the executable: it runs `agent.ts`.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../../src/command.ts";
import { Config } from "../../src/config.ts";
import { type AgentOutcome, agentRequest, ensureAgent, installAgent } from "../../src/rent/agent.ts";
import { getAgentStatus } from "../../src/rent/agent-status.ts";
import { openJournal } from "../../src/rent/journal.ts";
import { launchInstance } from "../../src/rent/launch.ts";
import type { Launch } from "../../src/rent/rows.ts";
import { connect, type Session } from "../../src/ssh/session.ts";
import { FakeProvider } from "../fake/provider.ts";
import { realWorld } from "./openssh.ts";
import { freePort, type Sshd, startSshd } from "./sshd.ts";

let root: string;
let sshd: Sshd;
let session: Session;
let launch: Launch;
let context: Context;
let provider: FakeProvider;
let endSignal: AbortController;
const notes: string[] = [];
const progress: string[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "gpu-install-"));
  sshd = await startSshd();
  const { address, privateKey, hostKey } = sshd;
  const main = join(import.meta.dir, "../../src/main.ts");
  // It is what `gpu agent` is, but ends when the test does, whatever happens to the test.
  writeFileSync(
    join(sshd.folder, "agent.ts"),
    `process.argv.splice(2, 0, "agent"); await import(${JSON.stringify(main)});`,
  );
  const world = {
    ...realWorld,
    folders: { config: join(root, "config"), state: join(root, "state"), cache: join(root, "cache") },
  };
  session = await connect({ world, address, privateKey, hostKey });
  const port = await freePort();
  const agent = { host: "127.0.0.1", port };
  provider = new FakeProvider({ clock: world.clock, facts: { bringsAgent: false, services: { agent, ci: agent } } });
  const journal = await openJournal(world);
  const launched = await launchInstance({ world, journal, provider, run: "a1", request: { hours: 2 } });
  launch = { ...launched, hostPublicKey: hostKey, ...address };
  endSignal = new AbortController();
  context = {
    world,
    signal: endSignal.signal,
    journal: () => Promise.resolve(journal),
    provider: () => Promise.resolve(provider),
    config: () => Promise.resolve(Config.parse({ lease: { idle: { after: "45m", then: "warn" } } })),
    note: (text: string) => void notes.push(text),
    progress: (text: string | undefined) => void (text && progress.push(text)),
  } as unknown as Context;
});

afterAll(async () => {
  for (const pid of agents()) process.kill(pid, "SIGKILL");
  await session[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

/** Processes that run what was put on the machine. */
function agents(): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const [executable = ""] = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
      return executable.startsWith(join(sshd.folder, ".gpu-agent"));
    } catch {
      return false;
    }
  });
}

const install = (agentBinary = process.execPath): Promise<AgentOutcome> =>
  installAgent(context, launch, session, { agentBinary });

test("an agent is uploaded, started and asked through SSH", async () => {
  expect(await install()).toEqual({ state: "started" });
  const status = await getAgentStatus(context, launch, { session });
  expect(status).toMatchObject({ server: "gpu", shutdownAt: launch.leaseEndsAt, idleWarning: undefined });
  const [name, ...others] = readdirSync(join(sshd.folder, ".gpu-agent")).filter((name) =>
    /^(gpu|upload|new)-/.test(name)
  );
  expect({ name, others }).toEqual({ name: expect.stringMatching(/^gpu-[0-9a-f]{64}$/), others: [] });
  expect(progress.at(-2)).toMatch(/^putting the agent on i-1: \d+ of \d+ MB$/);
}, 30_000);

test("its token is in no command line, environment or file that others may read", async () => {
  const token = (await context.journal()).agentToken(launch.token) ?? "?";
  for (const pid of agents()) {
    expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).not.toContain(token);
    expect(readFileSync(`/proc/${pid}/environ`, "latin1")).not.toContain(token);
  }
  const folder = join(sshd.folder, ".gpu-agent");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const name of ["log", "lease.json"]) {
    expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
    expect(readFileSync(join(folder, name), "utf8")).not.toContain(token);
  }
});

test("it took its orders: lease and rule for idleness", async () => {
  const { text } = await agentRequest(context, launch, "/status", { session });
  expect(JSON.parse(text)).toMatchObject({
    instance_id: "i-1",
    idle_timeout_minutes: 45,
    shutdown_at: new Date(launch.leaseEndsAt).toISOString(),
    boot_time: new Date(launch.launchedAt ?? 0).toISOString(),
  });
});

test("a second time it is found there", async () => {
  const [before] = agents();
  expect(await install()).toEqual({ state: "running" });
  expect(agents()).toEqual([before ?? 0]);
});

test("it counts the SSH connections of its machine", async () => {
  const sessions = async () => (await getAgentStatus(context, launch, { session })).sessions;
  await agentRequest(context, launch, "/idle", { json: { after_minutes: 45, then: "warn" }, session });
  while (await sessions() === undefined) await Bun.sleep(5);
  // This one, and no other: the connections of other servers of this computer are not its machine's.
  expect(await sessions()).toBe(1);
});

test("it outlives the session that started it, and one that died is started again without an upload", async () => {
  const { address, privateKey, hostKey } = sshd;
  await session[Symbol.asyncDispose]();
  const world = context.world;
  session = await connect({ world, address, privateKey, hostKey });
  expect(await install()).toEqual({ state: "running" });
  for (const pid of agents()) process.kill(pid, "SIGKILL");
  while (agents().length > 0) await Bun.sleep(5);
  progress.length = 0;
  expect(await install()).toEqual({ state: "started" });
  expect(progress).toEqual(["starting the agent on i-1"]);
}, 20_000);

test("an executable for something else is not sent, and the reason is said", async () => {
  for (const pid of agents()) process.kill(pid, "SIGKILL");
  while (agents().length > 0) await Bun.sleep(5);
  const script = join(root, "script");
  writeFileSync(script, "#!/bin/sh\n");
  expect(await install(script)).toMatchObject({ state: "none", why: expect.stringContaining("is no executable") });
  const bytes = Buffer.from(readFileSync(process.execPath).subarray(0, 8192));
  bytes.writeUInt16LE(0xb7, 18);
  writeFileSync(script, bytes);
  expect(await install(script)).toMatchObject({ state: "none", why: expect.stringContaining("for linux-arm64") });
  expect(await installAgent(context, launch, session)).toMatchObject({ why: expect.stringContaining("sources") });
});

test("what is damaged or does not run is thrown away", async () => {
  // Its first bytes are right, and the rest is not there.
  const cut = join(root, "cut");
  writeFileSync(cut, readFileSync(process.execPath).subarray(0, 100_000));
  await expect(install(cut)).rejects.toThrow("gpu does not run on this machine");
  expect(readdirSync(join(sshd.folder, ".gpu-agent")).filter((name) => /^(upload|new)-/.test(name))).toEqual([]);
});

test("where another program listens it is left alone", async () => {
  using _other = Bun.serve({
    hostname: "127.0.0.1",
    port: provider.facts.services.agent.port,
    fetch: () => new Response("hello"),
  }) as unknown as Disposable;
  expect(await install()).toMatchObject({ state: "none", why: expect.stringContaining("another program") });
});

test("an instance without an agent is still an instance: what went wrong is said", async () => {
  notes.length = 0;
  // No key of this computer may log in there.
  await ensureAgent(context, launch);
  expect(notes).toEqual([expect.stringMatching(/^no agent on i-1: the login as .* is refused/)]);
  expect(existsSync(join(sshd.folder, ".gpu-agent"))).toBe(true);
});
