import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findMarked } from "../../src/provider/local/hunt.ts";
import { localProvider } from "../../src/provider/local/local.ts";
import { LaunchRefused } from "../../src/provider/provider.ts";
import type { LaunchRequest, Provider, ProviderInstance } from "../../src/provider/provider.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import type { World } from "../../src/world.ts";
import { configureClient, realWorld, runProgram } from "./openssh.ts";

let folder: string;
let world: World;
let provider: Provider;
let tokens: string[];
const host = generateKeyPair("host");
const client = generateKeyPair("client");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-local-"));
  world = {
    ...realWorld,
    env: { PATH: realWorld.env.PATH, GPU_LOCAL_BOOT_MS: "0", LAMBDA_API_KEY: "secret" },
    folders: { ...realWorld.folders, state: join(folder, "state") },
    self: [process.execPath, join(import.meta.dir, "../fake/machine-main.ts")],
  };
  provider = localProvider(world);
  tokens = [];
});

afterEach(async () => {
  for (const { id } of await provider.list().catch(() => [])) await provider.terminate(id);
  const left = await Promise.all(tokens.map((token) => findMarked({ world, token })));
  rmSync(folder, { recursive: true, force: true });
  expect(left.flat()).toEqual([]);
});

function request(changes: Partial<LaunchRequest> = {}): LaunchRequest {
  const token = Buffer.from(world.random(10)).toString("hex");
  tokens.push(changes.token ?? token);
  return {
    token,
    name: `gpu-${token}`,
    type: "local",
    region: "local",
    authorizedKey: client.publicKey,
    hostKey: host,
    agentToken: "agent-secret",
    leaseEndsAt: Date.now() + 600_000,
    ...changes,
  };
}

async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const deadline = Date.now() + 15_000;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await Bun.sleep(10);
  }
  throw new Error("waited in vain");
}

const whenRunning = (id: string): Promise<ProviderInstance> =>
  until(async () => {
    const instance = await provider.get(id);
    return instance?.state === "running" ? instance : undefined;
  });

/** Runs a command on the machine with the real ssh. */
async function ssh(id: string, command: string, extra: readonly string[] = []) {
  const instance = await whenRunning(id);
  const files = { folder, port: instance.ssh?.port ?? 0, privateKey: client.privateKey, hostKey: host.publicKey };
  rmSync(join(folder, "client-key"), { force: true });
  return await runProgram(["ssh", "-F", configureClient(files), ...extra, "machine", command]);
}

test("a machine boots, and what it is can be asked by anyone", async () => {
  const asked = request();
  const { id } = await provider.launch(asked);
  expect(id).toBe(`i-${asked.token.slice(0, 8)}`);
  const { ssh: address, ...instance } = await whenRunning(id);
  expect(instance).toEqual({
    id,
    name: asked.name,
    token: asked.token,
    state: "running",
    type: "local",
    region: "local",
    pricePerHour: 0,
  });
  expect(address).toMatchObject({ host: "127.0.0.1", user: "gpu" });
  expect((await localProvider(world).list()).map(({ id }) => id)).toEqual([id]);
});

test("a machine that boots has no address yet", async () => {
  world = { ...world, env: { ...world.env, GPU_LOCAL_BOOT_MS: "60000" } };
  provider = localProvider(world);
  const { id } = await provider.launch(request());
  const status = join(world.folders.state, "local", id, "status.json");
  await until(() => existsSync(status));
  expect(await provider.get(id)).toMatchObject({ state: "booting", ssh: undefined });
});

test("its environment is clean, and its home its own", async () => {
  const { id } = await provider.launch(request());
  const { stdout } = await ssh(id, "env; pwd; bun --version");
  const home = join(world.folders.state, "local", id, "home");
  expect(stdout).toContain(`HOME=${home}\n`);
  expect(stdout).toContain(`\n${home}\n${Bun.version}\n`);
  expect(stdout).not.toContain("secret");
  expect(stdout).not.toContain("GPU_AGENT_TOKEN");
});

test("what only its owner may read, only its owner can", async () => {
  const { id } = await provider.launch(request());
  await whenRunning(id);
  const machine = join(world.folders.state, "local", id);
  const open = readdirSync(machine).filter((name) => name !== "agent.sock")
    .filter((name) => (statSync(join(machine, name)).mode & 0o077) !== 0);
  expect(open).toEqual([]);
  expect(statSync(machine).mode & 0o777).toBe(0o700);
});

test("the agent is reached by its names, through SSH", async () => {
  const { id } = await provider.launch(request());
  const socket = join(folder, "ci.sock");
  await whenRunning(id);
  const files = {
    folder,
    port: (await whenRunning(id)).ssh?.port ?? 0,
    privateKey: client.privateKey,
    hostKey: host.publicKey,
  };
  const tunnel = Bun.spawn(["ssh", "-F", configureClient(files), "-N", "-L", `${socket}:ci:8000`, "machine"], {
    stderr: "ignore",
  });
  // The file is there a moment before somebody listens on it.
  const answer = await until(() => fetch("http://ci/jobs", { unix: socket }).catch(() => undefined));
  expect(await answer.json()).toEqual({ path: "/jobs", token: "agent-secret" });
  tunnel.kill();
  await tunnel.exited;
});

test("the same token makes one machine, two tokens two", async () => {
  const asked = request();
  const [first, second, other] = await Promise.all([asked, asked, request()].map((each) => provider.launch(each)));
  expect(second).toEqual(first);
  expect(other).not.toEqual(first);
  expect(await provider.list()).toHaveLength(2);
  await Promise.all([first, other].map((each) => whenRunning(each?.id ?? "")));
  const results = await Promise.all([first, other].map((each) => provider.terminate(each?.id ?? "")));
  expect(results).toEqual(["accepted", "accepted"]);
  expect(await provider.list()).toEqual([]);
});

test("terminating ends all that was started, wherever it hid", async () => {
  const asked = request();
  const { id } = await provider.launch(asked);
  await ssh(
    id,
    `nohup sleep 991 >/dev/null 2>&1 &
     setsid sleep 992 >/dev/null 2>&1 &
     (trap '' TERM HUP; while :; do sleep 0.01; done) >/dev/null 2>&1 &
     (env -i sleep 993; true) >/dev/null 2>&1 &
     sleep 0.2`,
  );
  expect((await findMarked({ world, token: asked.token })).length).toBeGreaterThan(6);
  expect(await provider.terminate(id)).toBe("accepted");
  expect(await findMarked({ world, token: asked.token })).toEqual([]);
  expect(await provider.get(id)).toBeUndefined();
  expect(await provider.terminate(id)).toBe("gone");
  expect(readdirSync(join(world.folders.state, "local"))).toEqual([]);
});

test("a machine whose process was killed is stopped, and terminating it cleans up", async () => {
  const asked = request();
  const { id } = await provider.launch(asked);
  await whenRunning(id);
  const { pid } = JSON.parse(readFileSync(join(world.folders.state, "local", id, "status.json"), "utf8"));
  process.kill(pid, "SIGKILL");
  await until(async () => (await provider.get(id))?.state === "stopped");
  expect(await provider.get(id)).toMatchObject({ ssh: undefined });
  expect(await provider.terminate(id)).toBe("accepted");
  expect(await findMarked({ world, token: asked.token })).toEqual([]);
  expect(await provider.list()).toEqual([]);
});

test("what a killed machine had started ends as soon as anyone looks", async () => {
  const asked = request();
  const { id } = await provider.launch(asked);
  await ssh(id, "nohup sleep 995 >/dev/null 2>&1 &");
  const { pid } = JSON.parse(readFileSync(join(world.folders.state, "local", id, "status.json"), "utf8"));
  process.kill(pid, "SIGKILL");
  await until(async () => (await provider.list())[0]?.state === "stopped");
  expect(await findMarked({ world, token: asked.token })).toEqual([]);
});

test("a machine ends with its lease, and not before one that was extended", async () => {
  const short = request({ leaseEndsAt: Date.now() + 1200 });
  const extended = request({ leaseEndsAt: Date.now() + 1200 });
  const [ends, stays] = await Promise.all([provider.launch(short), provider.launch(extended)]);
  await provider.setLeaseEnd?.(stays.id, Date.now() + 600_000);
  await ssh(ends.id, "nohup sleep 994 >/dev/null 2>&1 &");
  await until(async () => await provider.get(ends.id) === undefined);
  await until(async () => (await findMarked({ world, token: short.token })).length === 0);
  expect(await provider.get(stays.id)).toMatchObject({ state: "running" });
});

test("a machine ends when its folder is taken away", async () => {
  const asked = request();
  const { id } = await provider.launch(asked);
  await whenRunning(id);
  rmSync(join(world.folders.state, "local", id), { recursive: true, force: true });
  await until(async () => (await findMarked({ world, token: asked.token })).length === 0);
});

test("a machine runs without an agent that dies", async () => {
  const broken = join(folder, "main.ts");
  writeFileSync(
    broken,
    `import { outside } from ${JSON.stringify(join(import.meta.dir, "../../src/outside.ts"))};
import { runMachine } from ${JSON.stringify(join(import.meta.dir, "../../src/provider/local/machine.ts"))};
if (process.argv[2] !== ":machine") process.exit(3);
process.exit(await runMachine(process.argv[3], outside(process, { onClosedPipe() {} })));`,
  );
  world = { ...world, self: [process.execPath, broken] };
  provider = localProvider(world);
  const { id } = await provider.launch(request());
  expect((await ssh(id, "echo here")).stdout).toBe("here\n");
  expect(readFileSync(join(world.folders.state, "local", id, "log"), "utf8")).toContain("the agent ended: exit 3");
});

test("a machine that cannot boot is stopped at once, and says why in its log", async () => {
  const asked = request({ hostKey: { privateKey: "no key", publicKey: "no key" } });
  const { id } = await provider.launch(asked);
  await until(async () => (await provider.get(id))?.state === "stopped");
  expect(readFileSync(join(world.folders.state, "local", id, "log"), "utf8")).toContain("cannot go on: Cannot parse");
  await until(async () => (await findMarked({ world, token: asked.token })).length === 0);
});

test("a pretended GPU answers as nvidia-smi does", async () => {
  const { id } = await provider.launch(request({ fakeGpu: "h100" }));
  const { stdout } = await ssh(
    id,
    "nvidia-smi --query-gpu=name,memory.total,utilization.gpu --format=csv; nvidia-smi --query-gpu=index,memory.total --format=csv,noheader,nounits; nvidia-smi -L; nvidia-smi --query-gpu=colour --format=csv 2>&1; echo $?",
  );
  expect(stdout.split("\n")).toEqual([
    "name, memory.total [MiB], utilization.gpu [%]",
    "NVIDIA H100 80GB HBM3, 81559 MiB, 0 %",
    "0, 81559",
    "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-00000000-0000-0000-0000-000000000000)",
    'Field "colour" is not a valid field to query.',
    "2",
    "",
  ]);
});

test("what cannot be made is refused, and leaves nothing", async () => {
  const refused = async (changes: Partial<LaunchRequest>) => {
    const error = await provider.launch(request(changes)).catch((error) => error);
    expect(error).toBeInstanceOf(LaunchRefused);
    return error.message;
  };
  expect(await refused({ type: "h100" })).toBe("the local provider has no type `h100`");
  expect(await refused({ region: "mars" })).toBe("the local provider has no region `mars`");
  expect(await refused({ token: "../../../../etc" })).toContain("token");
  expect(await refused({ fakeGpu: "abacus" })).toBe("a `abacus` cannot be pretended");

  world = { ...world, env: { ...world.env, GPU_LOCAL_BOOT_MS: "soon" } };
  provider = localProvider(world);
  expect(await refused({})).toContain("GPU_LOCAL_BOOT_MS");
  world = { ...world, env: {}, self: ["/nowhere/gpu"] };
  provider = localProvider(world);
  expect(await refused({})).toContain("cannot start a local machine");
  expect(readdirSync(join(world.folders.state, "local"))).toEqual([]);

  writeFileSync(join(folder, "file"), "");
  provider = localProvider({ ...world, folders: { ...world.folders, state: join(folder, "file/state") } });
  expect(await refused({})).toContain("a part of the path is not a folder");
});

test("an id is never a path", async () => {
  for (const id of ["", ".", "..", "../../etc", "i-zzzzzzzz", "i-0000000", "i-00000000/../.."]) {
    expect(await provider.get(id)).toBeUndefined();
    expect(await provider.terminate(id)).toBe("gone");
  }
});

test("a machine whose files cannot be understood can be terminated", async () => {
  const asked = request();
  const { id } = await provider.launch(asked);
  await whenRunning(id);
  const path = join(world.folders.state, "local", id, "machine.json");
  chmodSync(path, 0o600);
  writeFileSync(path, "{");
  expect(await provider.list()).toMatchObject([{ id, state: "unhealthy" }]);
  expect(await provider.terminate(id)).toBe("accepted");
  await until(async () => (await findMarked({ world, token: asked.token })).length === 0);
});
