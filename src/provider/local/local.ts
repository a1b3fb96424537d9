import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { NotFoundError } from "../../errors.ts";
import type { World } from "../../world.ts";
import type { Offer, Provider, ProviderFacts, ProviderInstance } from "../provider.ts";
import {
  endedPath,
  folderOf,
  listIds,
  readMachine,
  readStatus,
  removeFolder,
  settleMs,
  stateOf,
  stoppingPath,
  user,
  writeMachine,
} from "./folder.ts";
import type { Machine } from "./folder.ts";
import { endMarked } from "./hunt.ts";
import { launchMachine } from "./launch.ts";

const facts: ProviderFacts = {
  clientToken: true,
  tags: true,
  nameMax: 64,
  settleMs,
  readyTimeoutMs: 30_000,
  pollMs: 20,
  bringsAgent: true,
  pretendsGpus: true,
  services: { ci: { host: "ci", port: 8000 }, agent: { host: "agent", port: 8080 } },
};

const offer: Offer = {
  type: "local",
  description: "a machine on this computer, without a GPU",
  gpu: undefined,
  gpuCount: 0,
  vramGiB: 0,
  pricePerHour: 0,
  regions: ["local"],
};

/** Rents machines that are processes on this computer. */
export function localProvider(world: World): Provider {
  return {
    name: "local",
    facts,
    offers: () => Promise.resolve([offer]),
    launch: (request) => launchMachine(request, world),
    list: async () => {
      const found = await Promise.all((await listIds(world)).map((id) => findInstance(id, world)));
      return found.filter((instance) => instance !== undefined);
    },
    get: (id) => findInstance(id, world),
    terminate: (id) => terminate(id, world),
    setLeaseEnd: (id, leaseEndsAt) => setLeaseEnd({ id, leaseEndsAt, world }),
  };
}

async function findInstance(id: string, world: World): Promise<ProviderInstance | undefined> {
  const folder = folderOf(world, id);
  if (folder === undefined) return undefined;
  const files = await Promise.all([readMachine(folder), readStatus(folder)]).catch(() => undefined);
  // One broken file must not hide the other machines, nor this one from those who would stop it.
  if (files === undefined) return broken(id);
  const [machine, status] = files;
  if (machine === undefined) return undefined;
  const isStopping = existsSync(stoppingPath(folder));
  const state = stateOf({ folder, machine, status, isStopping, now: world.clock.now() });
  if (state === "stopped" && status !== undefined) await endLeft({ folder, machine, world });
  const { name, token, type, region } = machine;
  const ssh = state === "running" && status?.port !== undefined
    ? { host: "127.0.0.1", port: status.port, user }
    : undefined;
  return { id, name, token, state, type, region, pricePerHour: 0, ssh };
}

/** Ends what a machine whose process was killed had started, its agent above all; nothing else would for as long as it runs. */
async function endLeft({ folder, machine, world }: Dead): Promise<void> {
  // A bare machine belongs to its cloud, which may be about to start it again.
  if (machine.bare !== undefined || existsSync(endedPath(folder))) return;
  // Windows shows no marks, and the machine's own pid may be somebody else's by now.
  if (world.platform === "win32") return;
  try {
    await endMarked({ world, token: machine.token, pid: undefined });
    await writeFile(endedPath(folder), "", { mode: 0o600 });
  } catch {
    // The machine is stopped all the same. The next look tries again, and `terminate` says what is in the way.
  }
}

interface Dead {
  readonly folder: string;
  readonly machine: Machine;
  readonly world: World;
}

function broken(id: string): ProviderInstance {
  const { type, pricePerHour } = offer;
  return { id, name: id, token: undefined, state: "unhealthy", type, region: "local", pricePerHour, ssh: undefined };
}

async function terminate(id: string, world: World): Promise<"accepted" | "gone"> {
  const folder = folderOf(world, id);
  if (folder === undefined || !existsSync(folder)) return "gone";
  // So that `list` calls it stopping. On a full disk nothing can be written, and everything can be stopped.
  await writeFile(stoppingPath(folder), "", { mode: 0o600 }).catch(() => {});
  // A folder whose files cannot be read is removed all the same: its machine then ends itself.
  const machine = await readMachine(folder).catch(() => undefined);
  const status = await readStatus(folder).catch(() => undefined);
  if (machine !== undefined) await endMarked({ world, token: machine.token, pid: status?.pid });
  await removeFolder(folder);
  return "accepted";
}

async function setLeaseEnd(
  { id, leaseEndsAt, world }: { id: string; leaseEndsAt: number; world: World },
): Promise<void> {
  const folder = folderOf(world, id);
  const machine = folder && await readMachine(folder);
  if (!folder || !machine) throw new NotFoundError(`there is no local machine \`${id}\``);
  await writeMachine(folder, { ...machine, leaseEndsAt });
}
