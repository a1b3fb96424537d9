import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { findMarked } from "../../src/provider/local/hunt.ts";
import { RunningOnTerminal } from "../binary/compiled.ts";
import { runProgram } from "./openssh.ts";
import { a10, caller, emulatorWorld, openEmulator, ssh, sshTo, temporaryFolder, until } from "./lambda-emulator.ts";

const processesOf = (id: string) => findMarked({ world: emulatorWorld, token: id.slice(0, 20) });

test("an instance answers SSH with the host key of its user data, as ubuntu, with the GPUs of its type", async () => {
  await using emulated = await openEmulator();
  const id = await emulated.launch({ instance_type_name: "gpu_2x_a100", name: "trainer" });
  const instance = await emulated.whenIn(id, "active");
  expect(instance).toMatchObject({ name: "trainer", ssh_key_names: ["mine"], region: { name: "us-west-1" } });
  const said = await ssh(instance, emulated.folder, "echo $USER; pwd; nvidia-smi -L; dmesg; echo ${SECRET-clean}");
  expect(said.split("\n")).toEqual([
    "ubuntu",
    join(emulated.folder, "data/local", `i-${id.slice(0, 8)}`, "home"),
    "GPU 0: NVIDIA A100-PCIE-40GB (UUID: GPU-00000000-0000-0000-0000-000000000000)",
    "GPU 1: NVIDIA A100-PCIE-40GB (UUID: GPU-00000000-0000-0000-0000-000000000001)",
    "clean",
    "",
  ]);
  expect(await processesOf(id)).not.toEqual([]);
  await emulated.terminate(id);
  await emulated.whenIn(id, "terminated");
  expect(await processesOf(id)).toEqual([]);
  expect(readdirSync(join(emulated.folder, "data/local"))).toEqual([]);
});

test("where an address of its own cannot be had, another port is said beside the address", async () => {
  await using emulated = await openEmulator({ sshPort: 0 });
  const instance = await emulated.whenIn(await emulated.launch(), "active");
  expect(instance.ssh_port).toBeGreaterThan(1023);
  expect(await ssh(instance, emulated.folder, "echo here")).toBe("here\n");
});

test("port 8080 of each machine is its own agent's, though all share one loopback", async () => {
  await using emulated = await openEmulator();
  const serve = `Bun.serve({ unix: process.env.GPU_AGENT_SOCKET, fetch: () => new Response(process.argv[1]) })`;
  const ids = [await emulated.launch(), await emulated.launch()];
  const answers = await Promise.all(ids.map(async (id, index) => {
    const folder = join(emulated.folder, String(index));
    await Bun.$`mkdir ${folder}`;
    const instance = await emulated.whenIn(id, "active");
    const refused = await runProgram([...sshTo(instance, folder), "-W", "127.0.0.1:8080"]);
    expect(refused.code).toBe(255); // A bare machine brings no agent.
    await ssh(instance, folder, `'${process.execPath}' -e '${serve}' agent-${index} >/dev/null 2>&1 &`);
    const asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    return await until(async () => {
      const { code, stdout } = await runProgram([...sshTo(instance, folder), "-W", "localhost:8080"], asked);
      return code === 0 && stdout.split("\r\n").at(-1);
    });
  }));
  expect(answers).toEqual(["agent-0", "agent-1"]);
});

test("a restart ends what runs and keeps what is stored; a filesystem outlives its machines", async () => {
  await using emulated = await openEmulator();
  const { data: filesystem } = await emulated.call("POST", "/filesystems", { name: "work", region: "us-west-1" });
  const id = await emulated.launch({ file_system_names: ["work"] });
  const before = await emulated.whenIn(id, "active");
  expect(before.file_system_mounts).toEqual([{ mount_point: "/lambda/nfs/work", file_system_id: filesystem.id }]);
  const left = "echo note > note; echo kept > work/file; sleep 100 >/dev/null 2>&1 & echo $!";
  const pid = Number(await ssh(before, emulated.folder, left));
  expect(await processesOf(id)).toContain(pid);
  expect((await emulated.call("POST", "/instance-operations/restart", { instance_ids: [id] })).status).toBe(200);
  expect((await emulated.call("POST", "/instance-operations/restart", { instance_ids: [id] })).error?.code)
    .toBe("global/conflict");
  const after = await emulated.whenIn(id, "active");
  expect(after.ip).toBe(before.ip);
  expect(await ssh(after, emulated.folder, "cat note")).toBe("note\n");
  expect(await processesOf(id)).not.toContain(pid);

  const inUse = await emulated.call("DELETE", `/filesystems/${filesystem.id}`);
  expect(inUse.error?.code).toBe("filesystems/filesystem-in-use");
  await emulated.terminate(id);
  const next = await emulated.whenIn(await emulated.launch({ file_system_names: ["work"] }), "active");
  expect(await ssh(next, emulated.folder, "cat work/file")).toBe("kept\n");
});

test("a machine that dies is unhealthy, and can still be terminated", async () => {
  await using emulated = await openEmulator();
  const id = await emulated.launch();
  await emulated.whenIn(id, "active");
  for (const pid of await processesOf(id)) process.kill(pid, "SIGKILL");
  await emulated.whenIn(id, "unhealthy");
  await emulated.terminate(id);
  await emulated.whenIn(id, "terminated");
});

test("another GPU and memory errors are what the machine itself shows", async () => {
  await using emulated = await openEmulator({ faults: { once: ["wrongGpu", "gpuErrors"] } });
  const instance = await emulated.whenIn(await emulated.launch(), "active");
  expect(instance.instance_type.name).toBe("gpu_1x_a10");
  const query = "nvidia-smi --query-gpu=name,ecc.errors.uncorrected.volatile.total --format=csv,noheader";
  expect(await ssh(instance, emulated.folder, query)).toBe("Quadro RTX 6000, 2\n");
});

test("when the emulator ends its machines are gone, unless it keeps them for the next", async () => {
  const keeping = { keep: true };
  await using first = await openEmulator();
  const id = await first.launch();
  await first.whenIn(id, "active");
  const dataFolder = join(first.folder, "data");
  await first.emulator[Symbol.asyncDispose]();
  expect(await processesOf(id)).toEqual([]);

  await using second = await openEmulator({ dataFolder, ...keeping });
  const kept = await second.launch({ name: "kept" });
  const { ip } = await second.whenIn(kept, "active");
  await second.emulator[Symbol.asyncDispose]();
  expect(await processesOf(kept)).not.toEqual([]);

  await using third = await openEmulator({ dataFolder });
  const { data: found } = await third.call("GET", `/instances/${kept}`);
  expect(found).toMatchObject({ name: "kept", status: "active", ip });
  expect(await ssh(found, first.folder, "echo still here")).toBe("still here\n");
  expect((await third.call("GET", "/ssh-keys")).data).toHaveLength(1);
  await third.terminate(kept);
  await third.whenIn(kept, "terminated");
  expect(await processesOf(kept)).toEqual([]);
});

test("a data folder has one emulator at a time", async () => {
  await using one = await openEmulator({ hasMachines: false });
  const other = openEmulator({ hasMachines: false, dataFolder: join(one.folder, "data") });
  expect(other).rejects.toThrow("another emulator uses");
});

/** The command itself, in a process that can be killed. */
async function startCommand(dataFolder: string) {
  const main = join(import.meta.dir, "../../src/main.ts");
  const command = [process.execPath, main, "emulate", "lambda", "--json", "--boot", "0ms", "--data", dataFolder];
  const child = Bun.spawn(command, {
    stdout: "pipe",
    stderr: "ignore",
    env: { HOME: dataFolder, PATH: "/usr/bin:/bin" },
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const [line = ""] = Buffer.from(value ?? []).toString().split("\n");
  return { child, said: JSON.parse(line), call: caller(JSON.parse(line)) };
}

test("what an emulator that was killed leaves ends by itself, and the next one finds nothing of it", async () => {
  using folder = temporaryFolder();
  const { child, call } = await startCommand(folder.path);
  const { data: key } = await call("POST", "/ssh-keys", { name: "mine" });
  expect(key.private_key).toStartWith("-----BEGIN OPENSSH PRIVATE KEY-----");
  const { data } = await call("POST", "/instance-operations/launch", a10);
  const [id] = data.instance_ids;
  await until(async () => (await call("GET", `/instances/${id}`)).data.status === "active");
  child.kill("SIGKILL");
  await child.exited;
  expect(await processesOf(id)).not.toEqual([]);
  await until(async () => (await processesOf(id)).length === 0);

  const next = await startCommand(folder.path);
  expect((await next.call("GET", "/instances")).data).toEqual([]);
  next.child.kill("SIGTERM");
  expect(await next.child.exited).toBe(143);
}, 15_000);

test("a start right after the kill stops the leftovers itself, and a signal stops the machines", async () => {
  using folder = temporaryFolder();
  const launchOne = async (call: ReturnType<typeof caller>): Promise<string> => {
    await call("POST", "/ssh-keys", { name: "mine" });
    const { data: { instance_ids: [id] } } = await call("POST", "/instance-operations/launch", a10);
    await until(async () => (await call("GET", `/instances/${id}`)).data.status === "active");
    return id;
  };
  const first = await startCommand(folder.path);
  const left = await launchOne(first.call);
  first.child.kill("SIGKILL");
  const second = await startCommand(folder.path);
  expect(await processesOf(left)).toEqual([]);
  const id = await launchOne(second.call);
  second.child.kill("SIGINT");
  expect(await second.child.exited).toBe(130);
  expect(await processesOf(id)).toEqual([]);
  expect(existsSync(join(folder.path, "local", `i-${id.slice(0, 8)}`))).toBe(false);
}, 15_000);

test("a command on a terminal has it to itself: no request is shown between what it draws", async () => {
  using folder = temporaryFolder();
  const ask = `const { LAMBDA_API_URL: url, LAMBDA_API_KEY: key } = process.env;
    const { status } = await fetch(url + "/api/v1/instances", { headers: { authorization: "Bearer " + key } });
    console.log("answered " + status);`;
  const shownWith = async (...flags: string[]) => {
    const main = join(import.meta.dir, "../../src/main.ts");
    const command = [process.execPath, main, "emulate", "lambda", ...flags, "--", process.execPath, "-e", ask];
    const gpu = new RunningOnTerminal(command, {
      cwd: folder.path,
      env: { HOME: folder.path, PATH: "/usr/bin:/bin", TERM: "xterm" },
    });
    expect(await gpu.ended()).toEqual({ code: 0, signal: null });
    await gpu.shows("no instance was made");
    expect(gpu.shown).toContain("answered 200");
    return gpu.shown;
  };
  expect(await shownWith()).not.toContain("/api/v1/instances");
  expect(await shownWith("--verbose")).toMatch(/GET +\/api\/v1\/instances 200/);
}, 30_000);
