import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, systemCode } from "../../errors.ts";
import { makePrivateFolder, reasonOf } from "../../files.ts";
import { readVariable } from "../../env.ts";
import type { World } from "../../world.ts";
import { LaunchRefused } from "../provider.ts";
import type { LaunchRequest } from "../provider.ts";
import { furnish, machineEnvironment } from "./environment.ts";
import { fakeGpuModels } from "./fake-gpu.ts";
import type { Machine } from "./folder.ts";
import { folderOf, machinesFolder, readMachine, removeFolder, writeMachine } from "./folder.ts";

/** Makes the folder of a machine, whole, and starts its process. Asked again with the same token, it makes nothing. */
export async function launchMachine(request: LaunchRequest, world: World): Promise<{ id: string }> {
  const id = `i-${request.token.slice(0, 8)}`;
  const folder = folderOf(world, id);
  if (folder === undefined || !/^[0-9a-f]{20}$/.test(request.token)) {
    throw refused("the launch token is not 20 hex digits");
  }
  if (request.type !== "local") {
    throw refused(`the local provider has no type \`${request.type}\``, "its only type is `local`");
  }
  if (request.region !== "local") {
    throw refused(`the local provider has no region \`${request.region}\``, "its only region is `local`");
  }
  if (request.fakeGpu !== undefined && !fakeGpuModels.includes(request.fakeGpu)) {
    throw refused(`a \`${request.fakeGpu}\` cannot be pretended`, `one of: ${fakeGpuModels.join(", ")}`);
  }
  if (request.fakeGpu !== undefined && world.platform === "win32") {
    throw refused("a GPU cannot be pretended on Windows");
  }

  const { token, name, type, region, authorizedKey, hostKey, agentToken, leaseEndsAt, fakeGpu } = request;
  const bootMs = bootDelay(world);
  const createdAt = world.clock.now();
  const machine = {
    ...{ token, name, type, region, authorizedKey, hostKey, agentToken, leaseEndsAt, fakeGpu, createdAt, bootMs },
  };
  if (!await makeFolder({ folder, machine, world })) return { id };
  try {
    await startProcess({ folder, machine, world });
  } catch (error) {
    await removeFolder(folder);
    throw refused(`cannot start a local machine: ${reasonOf(error)}`);
  }
  return { id };
}

interface Made {
  readonly folder: string;
  readonly machine: Machine;
  readonly world: World;
}

/** Makes it under another name first, so that a machine is there with all it needs or not at all. False: it was there. */
export async function makeFolder({ folder, machine, world }: Made): Promise<boolean> {
  const draft = join(machinesFolder(world), `.new-${crypto.randomUUID()}`);
  try {
    await makePrivateFolder(machinesFolder(world));
    await sweep(world);
    await mkdir(draft, { mode: 0o700 });
    await furnish(world, { folder: draft, machine });
    await writeMachine(draft, machine);
    await rename(draft, folder);
    return true;
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => {});
    if (systemCode(error) !== "ENOTEMPTY" && systemCode(error) !== "EEXIST") throw refusedBecause(error);
  }
  const other = await readMachine(folder);
  if (other?.token === machine.token) return false;
  throw refused("another local machine has the same id", "try again: the id is drawn by chance");
}

/** Starts the machine's process; what it prints is its log. With `stdout` a pipe it says there where it listens. */
export async function startProcess(
  { folder, machine, world }: Made,
  { stdout }: { stdout?: "pipe" } = {},
): Promise<ChildProcess> {
  const log = openSync(join(folder, "log"), "a", 0o600);
  try {
    const child = world.spawn([...world.self, ":machine", folder], {
      cwd: folder,
      env: machineEnvironment(world, { folder, machine }),
      detached: true,
      stdin: "ignore",
      stdout: stdout ?? log,
      stderr: log,
    });
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

const oldMs = 10 * 60_000;

/** Removes what launches and terminations that were killed half-way have left. */
async function sweep(world: World): Promise<void> {
  const names = await readdir(machinesFolder(world));
  for (const name of names.filter((name) => name.startsWith(".new-") || name.startsWith(".gone-"))) {
    const path = join(machinesFolder(world), name);
    const changed = await stat(path).catch(() => undefined);
    if (changed === undefined || world.clock.now() - changed.mtimeMs < oldMs) continue;
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

function bootDelay({ env }: World): number {
  const text = readVariable(env, "GPU_LOCAL_BOOT_MS") ?? "150";
  if (!/^\d{1,7}$/.test(text)) throw refused(`GPU_LOCAL_BOOT_MS is \`${text}\`, which is not a number of milliseconds`);
  return Number(text);
}

function refusedBecause(error: unknown): LaunchRefused {
  return refused(
    `cannot make a local machine: ${systemCode(error) === undefined ? messageOf(error) : reasonOf(error)}`,
  );
}

/** All refusals here come before a process was started: nothing was made. */
function refused(message: string, hint?: string): LaunchRefused {
  return new LaunchRefused(message, { reason: "request", hint });
}
