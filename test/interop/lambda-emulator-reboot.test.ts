// The agent of a rented instance that boots again. Bun stands in for the executable: it runs `agent.ts`.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../../src/command.ts";
import { Config } from "../../src/config.ts";
import { lambdaProvider } from "../../src/provider/lambda/lambda.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { ensureAgent, readAgentStatus } from "../../src/rent/agent.ts";
import { moveLeaseOnInstance } from "../../src/rent/agent-extend.ts";
import { getAgentStatus } from "../../src/rent/agent-status.ts";
import { connectAt, connectInstance } from "../../src/rent/connect.ts";
import { type Journal, openJournal } from "../../src/rent/journal.ts";
import { launchInstance } from "../../src/rent/launch.ts";
import { waitUntilReady } from "../../src/rent/ready.ts";
import type { Launch } from "../../src/rent/rows.ts";
import { emulatorWorld, openEmulator, until } from "./lambda-emulator.ts";

let cloud: Awaited<ReturnType<typeof openEmulator>>;
let provider: Provider;
let journal: Journal;
let launch: Launch;
let machine: string;
let enforce: "reaper" | "agent" = "reaper";
const notes: string[] = [];
let context: Context;

beforeAll(async () => {
  cloud = await openEmulator();
  const { url, key } = cloud.emulator;
  const at = (name: string) => join(cloud.folder, name);
  const world = {
    ...emulatorWorld,
    env: { LAMBDA_API_KEY: key, LAMBDA_API_URL: url },
    folders: { config: at("config"), state: at("state"), cache: at("cache") },
  };
  provider = lambdaProvider(world, {});
  journal = await openJournal(world);
  const shared = { world, journal, provider };
  const { token } = await launchInstance({
    ...{ ...shared, run: "a1", request: { hours: 2, type: "gpu_1x_a10" } },
  });
  launch = await waitUntilReady({
    ...{ ...shared, token, run: "a1", owner: "lease" },
    answers: async (address, hostKey) => {
      await using _session = await connectAt(world, { address, hostKey });
    },
  });
  machine = join(cloud.folder, "data/local", `i-${(launch.instanceId ?? "").slice(0, 8)}`);
  const main = join(import.meta.dir, "../../src/main.ts");
  writeFileSync(
    join(machine, "agent.ts"),
    `process.argv.splice(2, 0, "agent"); await import(${JSON.stringify(main)});`,
  );
  context = {
    world,
    signal: new AbortController().signal,
    journal: () => Promise.resolve(journal),
    provider: () => Promise.resolve(provider),
    config: () => Promise.resolve(Config.parse({ lease: { enforce } })),
    note: (text: string) => void notes.push(text),
    progress: () => {},
  } as unknown as Context;
  await ensureAgent(context, launch, { agentBinary: process.execPath });
}, 30_000);

afterAll(async () => {
  journal[Symbol.dispose]();
  await cloud[Symbol.asyncDispose]();
});

const status = () => getAgentStatus(context, launch, { timeoutMs: 2_000, connectTimeoutMs: 2_000 });
const whenItAnswers = () => until(() => status().catch(() => undefined));

/** Boots it again; the processes of before are gone when this resolves. */
async function reboot(): Promise<void> {
  await provider.restart?.(launch.instanceId ?? "");
  await cloud.whenIn(launch.instanceId ?? "", "active");
}

async function run(command: string): Promise<void> {
  await using session = await connectInstance(context.world, launch);
  await session.exec(command);
}

test("what it needs to be started again is on the disk, for its owner alone and without a key", async () => {
  expect(notes).toEqual([]);
  expect((await whenItAnswers()).server).toBe("gpu");
  const folder = join(machine, "home/.gpu-agent");
  const orders = readFileSync(join(folder, "orders"), "utf8");
  expect(statSync(join(folder, "orders")).mode & 0o777).toBe(0o600);
  expect(JSON.parse(orders)).toMatchObject({ isAgain: true, token: journal.agentToken(launch.token) });
  expect(orders).not.toContain(cloud.emulator.key);
  expect(readFileSync(join(machine, "crontab"), "utf8")).toBe("@reboot sh .gpu-agent/boot <.gpu-agent/orders\n");
}, 20_000);

test("after a boot it is back without anybody doing it, with the lease as it was moved", async () => {
  const until = launch.leaseEndsAt + 3_600_000;
  await moveLeaseOnInstance(context, launch, until);
  await reboot();
  expect((await whenItAnswers()).shutdownAt).toBe(until);
}, 20_000);

test("one that crashed is started again by who asks it, and other lines of the table stay", async () => {
  await run("printf '5 4 * * * true\\n' | crontab -; kill -9 $(cat .gpu-agent/pid)");
  await expect(status()).rejects.toThrow(/no agent answers|gave no whole answer/);
  expect(await readAgentStatus(context, launch)).toMatchObject({ server: "gpu", canEnd: false });
  expect(readFileSync(join(machine, "crontab"), "utf8").split("\n").filter((line) => line !== "")).toEqual([
    "5 4 * * * true",
    "@reboot sh .gpu-agent/boot <.gpu-agent/orders",
  ]);
}, 20_000);

test("a key is in its memory alone: after a boot it is handed over anew by who asks", async () => {
  enforce = "agent";
  expect(await readAgentStatus(context, launch)).toMatchObject({ canEnd: true });
  await reboot();
  expect((await whenItAnswers()).canEnd).toBe(false);
  expect(await readAgentStatus(context, launch)).toMatchObject({ canEnd: true });
  const log = readFileSync(join(machine, "home/.gpu-agent/log"), "utf8");
  for (const text of [log, readFileSync(join(machine, "home/.gpu-agent/orders"), "utf8")]) {
    expect(text).not.toContain(cloud.emulator.key);
  }
  expect(existsSync(join(machine, "home/.gpu-agent/boot"))).toBe(true);
}, 20_000);
