import { z } from "zod";
import type { Chance } from "./chance.ts";

const kinds = z.enum([
  ...["tooMany", "serverError", "cut", "cutAfter", "slow", "noCapacity", "launchLost"] as const,
  ...["answerLost", "answerHangs", "bootHangs", "unhealthy", "wrongGpu", "gpuErrors", "listedLate"] as const,
]);
export type FaultKind = z.output<typeof kinds>;

/** How often, from 0 (never) to 1 (always). */
const share = z.number().min(0).max(1);
const Once = z.union([kinds, z.strictObject({ fault: kinds, on: z.string() })]);

/** All that can go wrong in an emulated cloud. */
const Settings = z.strictObject({
  tooMany: share.describe("requests answered 429, as HTML"),
  serverError: share.describe("requests answered 5xx before anything was done"),
  cut: share.describe("connections cut before anything was done"),
  cutAfter: share.describe("connections cut after the request was obeyed"),
  slow: share.describe("answers that take up to `slowMs`"),
  slowMs: z.number().min(0),
  noCapacity: share.describe("launches refused although the list says that there is one"),
  launchLost: share.describe("launches without an answer, where nothing was made"),
  answerLost: share.describe("launches without an answer, where an instance was made"),
  answerHangs: share.describe("launches that are obeyed and never answered"),
  bootHangs: share.describe("instances that boot forever"),
  unhealthy: share.describe("instances that are unhealthy once they have booted"),
  wrongGpu: share.describe("instances with another GPU than the one that is paid for"),
  gpuErrors: share.describe("instances with a GPU that counts memory errors"),
  listedLate: share.describe("instances that nobody sees before up to `listedLateMs`"),
  listedLateMs: z.number().min(0),
  freeShare: share.describe("how much of the catalogue is free at a time"),
  capacityChangesMs: z.number().positive().describe("how long what is free stays free"),
  maxInstances: z.number().int().min(0).describe("more than that are refused, as over the quota"),
  rateLimit: z.boolean().describe("enforce a request a second and a launch every 12 seconds"),
  refuseTerminateWhileBooting: z.boolean(),
  once: z.array(Once).describe("what happens once, as soon as it can; `on` waits for that operation"),
});
export type Faults = z.output<typeof Settings>;

/** As a file or a request gives them: what is left out stays as it is. */
export const FaultChanges = Settings.partial();
export type FaultChanges = z.output<typeof FaultChanges>;

/** As `POST /_emulator/faults` takes them: a preset, and what differs from it. */
export const FaultOrder = FaultChanges.extend({ preset: z.string().optional() });

export const noFaults: Faults = {
  ...{ tooMany: 0, serverError: 0, cut: 0, cutAfter: 0, slow: 0, slowMs: 3000 },
  ...{ noCapacity: 0, launchLost: 0, answerLost: 0, answerHangs: 0 },
  ...{ bootHangs: 0, unhealthy: 0, wrongGpu: 0, gpuErrors: 0, listedLate: 0, listedLateMs: 5000 },
  ...{ freeShare: 1, capacityChangesMs: 20_000, maxInstances: 1000 },
  ...{ rateLimit: false, refuseTerminateWhileBooting: false, once: [] },
};

const capacity = { freeShare: 0.5, noCapacity: 0.2 };
const flaky = { tooMany: 0.05, serverError: 0.1, cut: 0.03, cutAfter: 0.03, slow: 0.1, slowMs: 1000 };
const lostAnswers = { launchLost: 0.2, answerLost: 0.4 };
const lateListing = { listedLate: 1, listedLateMs: 5000 };
const badMachines = { bootHangs: 0.15, unhealthy: 0.1, wrongGpu: 0.1, gpuErrors: 0.05 };

/** Faults by name. `hostile` is all of them but the rate limit, which would make everything slow. */
export const presets: Readonly<Record<string, FaultChanges>> = {
  "none": noFaults,
  "capacity": capacity,
  "flaky": flaky,
  "lost-answers": lostAnswers,
  "late-listing": lateListing,
  "slow": { slow: 0.5, slowMs: 3000 },
  "bad-machines": badMachines,
  "rate-limit": { rateLimit: true },
  "hostile": {
    ...{ ...capacity, ...flaky, ...lostAnswers, ...lateListing, ...badMachines },
    listedLate: 0.5,
    refuseTerminateWhileBooting: true,
  },
};

/** Decides what goes wrong. Settings may change at any time. */
export class Mischief {
  settings: Faults;
  readonly chance: Chance;

  readonly #onFault: (kind: FaultKind) => void;

  constructor(settings: Faults, chance: Chance, onFault: (kind: FaultKind) => void = () => {}) {
    this.settings = settings;
    this.chance = chance;
    this.#onFault = onFault;
  }

  /** Whether it happens now; one that was ordered happens first, and once. */
  happens(kind: FaultKind, operation: string): boolean {
    const isHappening = this.#decide(kind, operation);
    if (isHappening) this.#onFault(kind);
    return isHappening;
  }

  #decide(kind: FaultKind, operation: string): boolean {
    const { once } = this.settings;
    const ordered = once.findIndex((order) =>
      typeof order === "string" ? order === kind : order.fault === kind && order.on === operation
    );
    if (ordered >= 0) {
      this.settings = { ...this.settings, once: once.toSpliced(ordered, 1) };
      return true;
    }
    return this.settings[kind] > 0 && this.chance.next(kind) < this.settings[kind];
  }

  /** Whether a type is free in a region now. */
  isFree({ type, region, now }: { type: string; region: string; now: number }): boolean {
    const { freeShare, capacityChangesMs } = this.settings;
    if (freeShare === 1) return true;
    return this.chance.at(`free ${type} ${region}`, Math.floor(now / capacityChangesMs)) < freeShare;
  }

  change(changes: FaultChanges): void {
    const given = Object.entries(changes).filter(([, value]) => value !== undefined);
    this.settings = { ...this.settings, ...Object.fromEntries(given) };
  }
}
