import { messageOf } from "../errors.ts";
import type { Clock } from "../world.ts";
import type { Address, Machines, MachineSpec } from "./machines.ts";

/** What a launch drew. */
export interface Fate {
  readonly bootHangs: boolean;
  readonly isUnhealthy: boolean;
  /** When the list shows it first; milliseconds since 1970. */
  readonly listedAt: number;
}

/** An instance of an emulated cloud over its life. Times are milliseconds since 1970. */
export interface Rented {
  readonly spec: MachineSpec;
  readonly fate: Fate;
  readonly launchedAt: number;
  status: "booting" | "active" | "unhealthy" | "terminating" | "terminated";
  address: Address | undefined;
  activeAt: number | undefined;
  terminationAskedAt: number | undefined;
  terminatedAt: number | undefined;
}

interface FleetOptions {
  readonly clock: Clock;
  readonly machines: Machines;
  readonly bootMs: number;
  /** From an accepted termination until the instance is gone. */
  readonly stopMs: number;
  readonly onLog: (line: string) => void;
}

interface Work {
  readonly ending: AbortController;
  readonly over: Promise<void>;
}

/** Boots, restarts and ends instances over the time of its clock, each with a machine behind it. */
export class Fleet<T extends Rented> {
  /** All that were ever made. */
  readonly made: T[] = [];
  readonly #options: FleetOptions;
  readonly #work = new Map<string, Work>();

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  launch(instance: T): void {
    this.made.push(instance);
    this.#next(instance, (signal) => this.#boot(instance, signal));
  }

  /** Takes up an instance whose machine lives already. */
  adopt(instance: T, address: Address): void {
    instance.status = "active";
    instance.address = address;
    this.made.push(instance);
  }

  restart(instance: T): void {
    instance.status = "booting";
    this.#next(instance, async (signal) => {
      await this.#options.machines.stop(instance.spec.id);
      await this.#boot(instance, signal);
    });
  }

  terminate(instance: T): void {
    const { clock, machines, stopMs } = this.#options;
    instance.status = "terminating";
    instance.terminationAskedAt = clock.now();
    this.#next(instance, async (signal) => {
      await machines.remove(instance.spec.id);
      await clock.sleep(stopMs, signal).catch(() => {});
      instance.status = "terminated";
      instance.terminatedAt = clock.now();
    });
  }

  /** Ends all work, and all machines unless they are kept: those that answer then live on. */
  async end({ keep }: { keep: boolean }): Promise<void> {
    for (const { ending } of this.#work.values()) ending.abort();
    await Promise.all([...this.#work.values()].map(({ over }) => over));
    const doomed = this.made.filter(({ status }) => status !== "terminated" && !(keep && status === "active"));
    await Promise.all(doomed.map(async (instance) => {
      await this.#options.machines.remove(instance.spec.id);
      instance.status = "terminated";
      instance.terminatedAt = this.#options.clock.now();
    }));
  }

  async #boot(instance: T, signal: AbortSignal): Promise<void> {
    const { clock, machines, bootMs } = this.#options;
    const { spec, fate } = instance;
    await clock.sleep(bootMs, signal).catch(() => {});
    if (signal.aborted || fate.bootHangs) return;
    const onExit = () => {
      if (!signal.aborted) instance.status = "unhealthy";
    };
    const address = await machines.start(spec, onExit);
    if (signal.aborted) return;
    instance.address = address;
    instance.status = fate.isUnhealthy ? "unhealthy" : "active";
    instance.activeAt ??= clock.now();
  }

  /** What happens to one instance happens one after the other; what is asked for later ends what waits. */
  #next(instance: T, work: (signal: AbortSignal) => Promise<void>): void {
    const { id } = instance.spec;
    const before = this.#work.get(id);
    before?.ending.abort();
    const ending = new AbortController();
    const run = async () => {
      await before?.over;
      try {
        await work(ending.signal);
      } catch (error) {
        if (instance.status === "booting") instance.status = "unhealthy";
        this.#options.onLog(`${id}: ${messageOf(error)}`);
      }
    };
    this.#work.set(id, { ending, over: run() });
  }
}
