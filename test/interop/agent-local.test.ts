import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exchange, type ExchangeRequest } from "../../src/http/exchange.ts";
import { findMarked } from "../../src/provider/local/hunt.ts";
import { localProvider } from "../../src/provider/local/local.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { connect, type Session } from "../../src/ssh/session.ts";
import type { World } from "../../src/world.ts";
import { realWorld } from "./openssh.ts";

const agentToken = "0123456789abcdef0123456789abcdef";
const hourMs = 3_600_000;

let folder: string;
let world: World;
let provider: Provider;
let token: string;
let id: string;
let session: Session;
let leaseEndsAt: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gpu-local-"));
  world = {
    ...realWorld,
    env: { PATH: realWorld.env.PATH, GPU_LOCAL_BOOT_MS: "0" },
    folders: { ...realWorld.folders, state: join(folder, "state") },
    self: [process.execPath, join(import.meta.dir, "../../src/main.ts")],
  };
  provider = localProvider(world);
  const [host, client] = [generateKeyPair("host"), generateKeyPair("client")];
  token = Buffer.from(world.random(10)).toString("hex");
  leaseEndsAt = Date.now() + hourMs;
  ({ id } = await provider.launch({
    token,
    name: `gpu-${token}`,
    type: "local",
    region: "local",
    authorizedKey: client.publicKey,
    hostKey: host,
    agentToken,
    leaseEndsAt,
    fakeGpu: "h100",
  }));
  let address = (await provider.get(id))?.ssh;
  while (address === undefined) {
    await Bun.sleep(10);
    address = (await provider.get(id))?.ssh;
  }
  session = await connect({ world, address, privateKey: client.privateKey, hostKey: host.publicKey });
});

afterEach(async () => {
  await session[Symbol.asyncDispose]();
  await provider.terminate(id);
  // One that was told to end by its agent may still be at it, in this folder.
  while ((await findMarked({ world, token })).length > 0) await Bun.sleep(10);
  rmSync(folder, { recursive: true, force: true });
});

async function ask(request: ExchangeRequest) {
  const stream = await session.openStream("agent", 8080);
  const headers = { authorization: `Bearer ${agentToken}`, ...request.headers };
  const options = { world: realWorld, service: "the agent", timeoutMs: 10_000 };
  const { status, text } = await exchange(stream, { ...request, headers }, options);
  return { status, body: JSON.parse(text) };
}

const getStatus = async () => (await ask({ path: "/status" })).body;
const machineEndsAt = () =>
  JSON.parse(readFileSync(join(folder, "state/local", id, "machine.json"), "utf8")).leaseEndsAt;

test("a local machine and its agent know one lease: who moves it for one moves it for both", async () => {
  expect(await getStatus()).toMatchObject({
    instance_id: id,
    shutdown_at: new Date(leaseEndsAt).toISOString(),
    gpu_utilization: 0,
    gpus: [{ name: "NVIDIA H100 80GB HBM3" }],
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const { body } = await ask({ method: "POST", path: "/extend", headers, body: "hours=2" });
  expect(body).toEqual({ extended_by_hours: 2, new_shutdown_at: new Date(leaseEndsAt + 2 * hourMs).toISOString() });
  expect(machineEndsAt()).toBe(leaseEndsAt + 2 * hourMs);
  await provider.setLeaseEnd?.(id, leaseEndsAt + 3 * hourMs);
  expect((await getStatus()).shutdown_at).toBe(new Date(leaseEndsAt + 3 * hourMs).toISOString());
});

test("it counts the SSH connections to its machine, and ends it when it is told to", async () => {
  const body = JSON.stringify({ after_minutes: 30, then: "stop" });
  expect((await ask({ method: "POST", path: "/idle", body })).body).toMatchObject({ can_stop: true });
  while ((await getStatus()).sessions === null) await Bun.sleep(5);
  expect((await getStatus()).sessions).toBe(1);
  expect((await ask({ method: "POST", path: "/shutdown", body: '{"reason":"done"}' })).body).toEqual({
    status: "terminating",
  });
  while ((await provider.list()).length > 0) await Bun.sleep(10);
});
