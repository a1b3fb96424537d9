import { join } from "node:path";
import { UsageError } from "../errors.ts";
import type { Clock, World } from "../world.ts";
import type { Bill } from "./bill.ts";
import { Chance } from "./chance.ts";
import { openDataFolder, takeKept, writeKept } from "./data-folder.ts";
import { type FaultChanges, type FaultKind, type Faults, Mischief, noFaults } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import { LambdaCloud } from "./lambda/cloud.ts";
import type { LambdaInstance } from "./lambda/instance.ts";
import { adoptKept, Kept, keptOf } from "./lambda/kept.ts";
import { findUnknownOperation } from "./lambda/routes.ts";
import { type SeenRequest, serveLambda } from "./lambda/server.ts";
import { Store } from "./lambda/store.ts";
import { noMachines, realMachines } from "./machines.ts";

export type { SeenRequest } from "./lambda/server.ts";

export interface EmulateLambdaOptions {
  /** Machines are started with its `self`, whose first argument `:machine` makes it one. */
  readonly world: World;
  /** The cloud's time: boots, bills, late lists. `world.clock` when left out; the processes of machines never wait for it. */
  readonly clock?: Clock;
  /** Holds the machines and what they keep; below the state folder when left out. */
  readonly dataFolder?: string;
  /** Any free one when left out or 0. */
  readonly port?: number;
  /** Accepted keys begin with it; a secret one is made when left out. */
  readonly key?: string;
  /** Decides what chance decides. */
  readonly seed?: number;
  readonly faults?: FaultChanges;
  /** 2 seconds when left out. */
  readonly bootMs?: number;
  /** From an accepted termination until an instance is gone; half a second when left out. */
  readonly stopMs?: number;
  /** Machines outlive the emulator; the next one with the same data folder takes them up. */
  readonly keep?: boolean;
  /** Where SSH answers at a machine's own address; 22 when left out, 0 is any port. */
  readonly sshPort?: number;
  /** `false`: nothing is behind an instance. For what only needs the cloud. */
  readonly hasMachines?: boolean;
  /** What is in each machine's home from the first, as links: paths below the home, and where they lead. */
  links?(): Promise<ReadonlyMap<string, string>>;
  readonly onRequest?: (seen: SeenRequest) => void;
  /** Called as something goes wrong on purpose. */
  readonly onFault?: (kind: FaultKind) => void;
  readonly onLog?: (line: string) => void;
}

/** A running emulator. Disposing of it ends its machines, unless they are kept. */
export interface Emulator extends AsyncDisposable {
  /** For `LAMBDA_API_URL`. */
  readonly url: string;
  /** For `LAMBDA_API_KEY`. */
  readonly key: string;
  readonly seed: number;
  /** Machines of an emulator that was killed, found and ended at the start. */
  readonly leftovers: number;
  bill(): Bill;
  faults(): Faults;
  changeFaults(changes: FaultChanges): void;
  /** Takes an instance away, as a cloud may; `false` where it is gone already. */
  preempt(id: string): boolean;
}

/** Serves Lambda Cloud's API on the loopback, with machines of this computer behind its instances. */
export async function emulateLambda(options: EmulateLambdaOptions): Promise<Emulator> {
  const { world, clock = world.clock, keep = false, hasMachines = true, sshPort = 22 } = options;
  const { onLog = () => {}, onRequest = () => {} } = options;
  const newId = () => Buffer.from(world.random(16)).toString("hex");
  const seed = options.seed ?? Buffer.from(world.random(4)).readUInt32BE();
  const key = options.key ?? `emulated_${newId()}`;
  const mischief = new Mischief(noFaults, new Chance(seed), options.onFault);
  changeFaults(mischief, options.faults ?? {});

  await using stack = new AsyncDisposableStack();
  const folder = stack.use(
    await openDataFolder(options.dataFolder ?? join(world.folders.state, "emulate", "lambda")),
  );
  const machines = hasMachines
    ? realMachines({
      world: { ...world, folders: { ...world.folders, state: folder.path } },
      dataFolder: folder.path,
      livesWhileLocked: keep ? undefined : folder.lockPath,
      sshPort,
      links: options.links,
    })
    : noMachines;
  const { bootMs = 2000, stopMs = 500 } = options;
  const fleet = new Fleet<LambdaInstance>({ clock, machines, bootMs, stopMs, onLog });
  const store = new Store(newId);
  const kept = await takeKept(folder, Kept);
  if (kept) await adoptKept(kept, { store, fleet, machines, onLog });
  const leftovers = await machines.removeOthers(fleet.made.map(({ spec }) => spec.id));
  stack.defer(async () => {
    await fleet.end({ keep });
    if (keep) await writeKept(folder, keptOf(store, fleet));
  });

  const cloud = new LambdaCloud({ fleet, store, mischief, now: () => clock.now(), newId, onLog });
  const server = stack.use(
    serveLambda({ cloud, mischief, clock, port: options.port ?? 0, keyPrefix: key, onRequest }),
  );
  const opened = stack.move();
  return {
    ...{ url: server.url, key, seed, leftovers },
    bill: () => cloud.bill(),
    faults: () => mischief.settings,
    changeFaults: (changes) => changeFaults(mischief, changes),
    preempt(id) {
      const instance = fleet.made.find(({ spec }) => spec.id === id);
      if (instance === undefined || /^terminat/.test(instance.status)) return false;
      fleet.terminate(instance);
      return true;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function changeFaults(mischief: Mischief, changes: FaultChanges): void {
  const unknown = findUnknownOperation(changes.once ?? []);
  if (unknown !== undefined) {
    throw new UsageError(`a fault is ordered for the operation \`${unknown}\`, which the API does not have`, {
      hint: "operations are named as in Lambda's API document: `launchInstance`, `listInstances`, …",
    });
  }
  mischief.change(changes);
}
