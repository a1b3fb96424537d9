import { z } from "zod";
import { readTextIfThere, writeWhole } from "../files.ts";
import type { World } from "../world.ts";

const hourMs = 3_600_000;

/** What the file holds; anything else in it stays as it is. */
const LeaseRecord = z.looseObject({ leaseEndsAt: z.number(), createdAt: z.number() });
type LeaseRecord = z.output<typeof LeaseRecord>;

export interface LeaseOptions {
  readonly world: Pick<World, "clock">;
  /** Where it is kept. On a local machine its `machine.json`, which the machine itself obeys. */
  readonly path: string;
  /** The most that callers who ask for hours can bring it to, counted from when the machine was made. */
  readonly maxHours?: number;
}

const defaultMaxHours = 24;

/** What became of asking for hours. */
export interface Extension {
  /** Whole hours that were really added. */
  readonly addedHours: number;
  readonly endsAt: number;
  /** Why these are fewer than were asked for. */
  readonly limit?: string;
}

/** When the machine ends, in a file that others may change too. Times are milliseconds since 1970. */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #maxHours: number;
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#maxHours = options.maxHours ?? defaultMaxHours;
  }

  /** Writes down the lease that the machine was rented with. */
  async begin(lease: { leaseEndsAt: number; createdAt: number }): Promise<void> {
    await writeWhole(this.#options.path, JSON.stringify(lease));
  }

  /** `undefined`: nobody gave one. */
  async read(): Promise<{ leaseEndsAt: number; createdAt: number } | undefined> {
    return await this.#read();
  }

  /** Adds whole hours, as many as the limit of all together leaves. Throws where there is no lease. */
  async extend(hours: number): Promise<Extension> {
    return await this.#change((record) => {
      const { leaseEndsAt, createdAt } = record;
      // A lease longer than the limit was its owner's decision; it is not made shorter here.
      const latest = createdAt + this.#maxHours * hourMs;
      const left = Math.max(0, Math.floor((latest - leaseEndsAt) / hourMs));
      const addedHours = Math.min(hours, left);
      const endsAt = leaseEndsAt + addedHours * hourMs;
      const limit = addedHours === hours ? undefined : `the whole lease is limited to ${this.#maxHours} h`;
      return { record: { ...record, leaseEndsAt: endsAt }, result: { addedHours, endsAt, limit } };
    });
  }

  /** Moves the end to this moment: the owner's computer, which knows budget and bill, decided it. */
  async moveTo(endsAt: number): Promise<Extension> {
    return await this.#change((record) => {
      const addedHours = (endsAt - record.leaseEndsAt) / hourMs;
      return { record: { ...record, leaseEndsAt: endsAt }, result: { addedHours, endsAt } };
    });
  }

  async #read(): Promise<LeaseRecord | undefined> {
    const text = await readTextIfThere(this.#options.path);
    if (text === undefined) return undefined;
    const parsed = LeaseRecord.safeParse(jsonOf(text));
    return parsed.success ? parsed.data : undefined;
  }

  /** One change after the other: two at once would lose one. */
  #change(change: (record: LeaseRecord) => { record: LeaseRecord; result: Extension }): Promise<Extension> {
    const work = this.#lastWrite.then(async () => {
      const before = await this.#read();
      if (before === undefined) throw new NoLease();
      const { record, result } = change(before);
      if (record.leaseEndsAt !== before.leaseEndsAt) {
        await writeWhole(this.#options.path, JSON.stringify(record, null, 2));
      }
      return result;
    });
    this.#lastWrite = work.catch(() => {});
    return work;
  }
}

/** There is no lease to extend. */
export class NoLease extends Error {
  override name = "NoLease";

  constructor() {
    super("this machine has no lease");
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
