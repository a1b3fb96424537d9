import type { World } from "../world.ts";
import { type Gpu, hasComputeProcesses, readGpus } from "./nvidia-smi.ts";

/** How old an answer may be: `nvidia-smi` costs tens of milliseconds of a core. */
const freshMs = 2_000;
/** How long somebody waits for a driver that is slow; what was known before is the answer then. */
const patienceMs = 2_000;
/** Above this a GPU is at work, in per cent: a desktop or a monitor alone stays below. */
const busyPercent = 5;

/** The machine's GPUs, asked for at most every two seconds, however many ask. */
export class Gpus {
  readonly #world: World;
  #known: readonly Gpu[] | undefined;
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** `undefined` where there is no GPU, or its driver does not answer. */
  async now(): Promise<readonly Gpu[] | undefined> {
    const { clock } = this.#world;
    if (clock.monotonic() - this.#readAt < freshMs) return this.#known;
    this.#reading ??= this.#read();
    const answered = new AbortController();
    await Promise.race([this.#reading, clock.sleep(patienceMs, answered.signal).catch(() => {})]);
    answered.abort();
    return this.#known;
  }

  /** Whether any GPU is at work. A divided one does not say, so there a process that computes is enough. */
  async isBusy(): Promise<boolean> {
    const gpus = await this.now() ?? [];
    if (gpus.some(({ utilization }) => (utilization ?? 0) > busyPercent)) return true;
    return gpus.some(({ utilization }) => utilization === null) && await hasComputeProcesses(this.#world);
  }

  async #read(): Promise<void> {
    try {
      this.#known = await readGpus(this.#world);
    } catch {
      this.#known = undefined; // No process could be started at all.
    } finally {
      this.#readAt = this.#world.clock.monotonic();
      this.#reading = undefined;
    }
  }
}
