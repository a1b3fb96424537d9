import { existsSync } from "node:fs";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { GpuError, systemCode } from "../../errors.ts";
import { reasonOf, replaceWhole } from "../../files.ts";
import { isLocked } from "../../lock.ts";
import type { World } from "../../world.ts";
import type { ProviderState } from "../provider.ts";

/** What makes a machine one of an emulated cloud: bare, as clouds give them. It brings no agent. */
const Bare = z.object({
  /** The user who may log in. */
  user: z.string(),
  /** Where its SSH server listens; any port of 127.0.0.1 where that address cannot be had. */
  host: z.string(),
  port: z.number(),
  /** Keys that may log in beside `authorizedKey`. */
  moreKeys: z.array(z.string()),
  gpuCount: z.number(),
  eccErrors: z.number(),
  /** Somebody's lock: when nobody holds it, the machine ends. Absent: it outlives who launched it. */
  livesWhileLocked: z.string().optional(),
});

/** What a machine was launched with. Written by `launch` and `setLeaseEnd`; the machine itself only reads it. */
const Machine = z.object({
  token: z.string(),
  name: z.string(),
  type: z.string(),
  region: z.string(),
  authorizedKey: z.string(),
  hostKey: z.object({ privateKey: z.string(), publicKey: z.string() }),
  agentToken: z.string(),
  leaseEndsAt: z.number(),
  fakeGpu: z.string().optional(),
  bare: Bare.optional(),
  createdAt: z.number(),
  bootMs: z.number(),
});
export type Machine = z.output<typeof Machine>;

/** What a machine says of itself. Written by nobody else, so that the two files are never overwritten by each other. */
const Status = z.object({
  pid: z.number(),
  state: z.enum(["booting", "running"]),
  host: z.string().optional(),
  port: z.number().optional(),
});
export type Status = z.output<typeof Status>;

/** The one user of a machine that is not bare. */
export const user = "gpu";

/** The agent's socket, relative to the machine's folder: an absolute path may be too long for one. */
export const agentSocket = "agent.sock";

/** How long a machine may take from launch until its process has its lock. */
export const settleMs = 5000;

/** The folder that holds the machines of this computer. */
export function machinesFolder(world: World): string {
  return join(world.folders.state, "local");
}

/** The folder of one machine; `undefined` for what is no id of ours, so that an id is never a path. */
export function folderOf(world: World, id: string): string | undefined {
  return /^i-[0-9a-f]{8}$/.test(id) ? join(machinesFolder(world), id) : undefined;
}

export async function listIds(world: World): Promise<string[]> {
  try {
    return (await readdir(machinesFolder(world))).filter((name) => folderOf(world, name) !== undefined).toSorted();
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw new GpuError(`cannot list the machines in \`${machinesFolder(world)}\`: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

export async function readMachine(folder: string): Promise<Machine | undefined> {
  return await readRecord(join(folder, "machine.json"), Machine);
}

export async function readStatus(folder: string): Promise<Status | undefined> {
  return await readRecord(join(folder, "status.json"), Status);
}

export async function writeMachine(folder: string, machine: Machine): Promise<void> {
  await replaceWhole(join(folder, "machine.json"), JSON.stringify(machine, null, 2));
}

export async function writeStatus(folder: string, status: Status): Promise<void> {
  await replaceWhole(join(folder, "status.json"), JSON.stringify(status));
}

/** Held by the machine's process as long as it lives. */
export function lockPath(folder: string): string {
  return join(folder, "lock");
}

/** There while the machine is being terminated. */
export function stoppingPath(folder: string): string {
  return join(folder, "stopping");
}

/** There once all that a dead machine had started was ended. */
export function endedPath(folder: string): string {
  return join(folder, "ended");
}

interface StateOf {
  readonly folder: string;
  readonly machine: Machine;
  readonly status: Status | undefined;
  readonly isStopping: boolean;
  readonly now: number;
}

/** What is true of a machine now, whatever its files said when its process was killed. */
export function stateOf({ folder, machine, status, isStopping, now }: StateOf): ProviderState {
  const isNew = status === undefined && now - machine.createdAt < settleMs;
  if (!isAlive(folder)) return isNew && !isStopping ? "booting" : "stopped";
  return isStopping ? "stopping" : status?.state ?? "booting";
}

function isAlive(folder: string): boolean {
  try {
    return isLocked(lockPath(folder));
  } catch (error) {
    if (!existsSync(lockPath(folder))) return false; // Removed while we looked.
    throw error;
  }
}

/** Takes the machine out of every list at once, then deletes what it had. */
export async function removeFolder(folder: string): Promise<void> {
  const trash = join(folder, "..", `.gone-${crypto.randomUUID()}`);
  try {
    await rename(folder, trash);
    await rm(trash, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw new GpuError(`cannot remove the folder of a stopped machine, \`${folder}\`: ${reasonOf(error)}`, {
      cause: error,
      hint: `remove what \`${join(folder, "..")}\` holds by hand`,
    });
  }
}

async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw new GpuError(`cannot read \`${path}\`, which says what a local machine is`, { cause: error });
  }
}
