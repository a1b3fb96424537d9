import type { ChildProcess } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import type { Machine } from "../provider/local/folder.ts";
import { folderOf, listIds, lockPath, readStatus } from "../provider/local/folder.ts";
import { endMarked } from "../provider/local/hunt.ts";
import { makeFolder, startProcess } from "../provider/local/launch.ts";
import { localProvider } from "../provider/local/local.ts";
import { isLocked } from "../lock.ts";
import type { World } from "../world.ts";

/** What an emulated machine is made of. */
export interface MachineSpec {
  /** 32 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly region: string;
  readonly user: string;
  readonly hostKey: { readonly privateKey: string; readonly publicKey: string };
  readonly authorizedKeys: readonly [string, ...string[]];
  /** A model that `fake-gpu.ts` knows, unless it has no GPU. */
  readonly gpu: { readonly model: string; readonly count: number; readonly eccErrors: number } | undefined;
  /** Names of the filesystems in its home. */
  readonly filesystems: readonly { readonly id: string; readonly name: string }[];
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The machines behind an emulated cloud. */
export interface Machines {
  /** Makes it where it is not there yet, and starts it. Resolves when its SSH server listens. */
  start(spec: MachineSpec, onExit: () => void): Promise<Address>;
  /** Ends all that runs on it; what it had stays. */
  stop(id: string): Promise<void>;
  /** Ends it and deletes what it had. */
  remove(id: string): Promise<void>;
  /** Where a machine that outlived its emulator answers; `undefined` when it does not live. */
  find(id: string): Promise<Address | undefined>;
  /** Ends the machines that an earlier emulator left behind; returns how many there were. */
  removeOthers(ids: readonly string[]): Promise<number>;
}

/** For what only needs the cloud and no machine in it: nothing answers at these addresses. */
export const noMachines: Machines = {
  start: ({ id }) => Promise.resolve({ host: loopbackOf(id), port: 22 }),
  stop: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  find: (id) => Promise.resolve({ host: loopbackOf(id), port: 22 }),
  removeOthers: () => Promise.resolve(0),
};

interface RealOptions {
  /** Its state folder is where the machines are. */
  readonly world: World;
  readonly dataFolder: string;
  /** Machines end when nobody holds this lock. */
  readonly livesWhileLocked: string | undefined;
  /** Where each listens at its own address; 0 is any port. */
  readonly sshPort: number;
  /** What is in each machine's home from the first, as links: paths below the home, and where they lead. */
  links?(): Promise<ReadonlyMap<string, string>>;
}

/** Machines as the local provider makes them, but bare. */
export function realMachines(options: RealOptions): Machines {
  const { world, dataFolder, livesWhileLocked, sshPort } = options;
  const folder = (id: string) => {
    const path = folderOf(world, localId(id));
    if (path === undefined) throw new Error(`\`${id}\` is no id of an instance`);
    return path;
  };
  return {
    async start(spec, onExit) {
      const machine = recordOf(spec, { sshPort, livesWhileLocked, now: world.clock.now() });
      const made = { folder: folder(spec.id), machine, world };
      if (await makeFolder(made)) {
        const home = join(made.folder, "home");
        await mount(spec, { home, dataFolder });
        for (const [path, target] of await options.links?.() ?? []) await link(join(home, path), target);
      }
      const child = await startProcess(made, { stdout: "pipe" });
      const address = await addressSaid(child);
      child.once("exit", onExit);
      if (child.exitCode !== null || child.signalCode !== null) onExit();
      return address;
    },
    stop: (id) => endMarked({ world, token: tokenOf(id), pid: undefined }),
    async remove(id) {
      await localProvider(world).terminate(localId(id));
      // A process that was about to start when the folder went away.
      await endMarked({ world, token: tokenOf(id), pid: undefined });
    },
    async find(id) {
      const status = await readStatus(folder(id)).catch(() => undefined);
      if (status?.host === undefined || status.port === undefined || !isLocked(lockPath(folder(id)))) return undefined;
      return { host: status.host, port: status.port };
    },
    async removeOthers(ids) {
      const kept = ids.map(localId);
      const others = (await listIds(world)).filter((id) => !kept.includes(id));
      await Promise.all(others.map((id) => localProvider(world).terminate(id)));
      return others.length;
    },
  };
}

/** An address of its own for each machine, below 127: the whole block is this computer's own loopback on Linux. */
export function loopbackOf(id: string): string {
  const [a = 0, b = 0, c = 0] = Buffer.from(id.slice(0, 6), "hex");
  return `127.${1 + a % 254}.${b}.${1 + c % 254}`;
}

function localId(id: string): string {
  return `i-${id.slice(0, 8)}`;
}

function tokenOf(id: string): string {
  return id.slice(0, 20);
}

/** Its life is bounded by the emulator's, not by a lease: the cloud knows none. */
const forever = Number.MAX_SAFE_INTEGER;

function recordOf(
  spec: MachineSpec,
  { sshPort, livesWhileLocked, now }: { sshPort: number; livesWhileLocked: string | undefined; now: number },
): Machine {
  const { id, name, type, region, user, hostKey, gpu, authorizedKeys: [authorizedKey, ...moreKeys] } = spec;
  return {
    token: tokenOf(id),
    name,
    type,
    region,
    authorizedKey,
    hostKey,
    agentToken: "",
    leaseEndsAt: forever,
    fakeGpu: gpu?.model,
    createdAt: now,
    bootMs: 0,
    bare: {
      ...{ user, host: loopbackOf(id), port: sshPort, moreKeys, livesWhileLocked },
      ...{ gpuCount: gpu?.count ?? 0, eccErrors: gpu?.eccErrors ?? 0 },
    },
  };
}

/** A filesystem is a folder that the homes of its machines point to. */
async function mount(
  { filesystems }: MachineSpec,
  { home, dataFolder }: { home: string; dataFolder: string },
): Promise<void> {
  for (const { id, name } of filesystems) {
    const folder = join(dataFolder, "filesystems", id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await symlink(folder, join(home, name));
  }
}

async function link(path: string, target: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await symlink(target, path);
}

const Said = z.object({ host: z.string(), port: z.number() });

/** What the machine prints when it listens. */
async function addressSaid(child: ChildProcess): Promise<Address> {
  if (child.stdout === null) throw new Error("the machine has no output");
  for await (const line of createInterface({ input: child.stdout })) return Said.parse(JSON.parse(line));
  throw new Error("the machine did not start; its log says why");
}
