import { spanText } from "../duration.ts";
import { messageOf } from "../errors.ts";
import type { World } from "../world.ts";
import type { DetachedJobs } from "./detached-jobs.ts";
import type { Gpus } from "./gpus.ts";
import type { Lease } from "./lease.ts";
import type { Models } from "./models.ts";

/** What to do when nobody uses the machine. */
export interface IdleRule {
  readonly afterMs: number;
  readonly then: "stop" | "warn";
}

/** Ends the machine, or asks for it. `not-yet`: ask again. */
export type End = (why: string) => Promise<"accepted" | "gone" | "not-yet">;

export interface WatchOptions {
  readonly world: Pick<World, "clock">;
  readonly lease: Lease | undefined;
  readonly gpus: Pick<Gpus, "isBusy">;
  readonly models: Pick<Models, "look" | "lastActivityMs">;
  readonly detached?: Pick<DetachedJobs, "look" | "lastActivityMs">;
  /** When a job last began or ended, or now while one runs. */
  jobActivityMs(): number;
  /** How many are attached; `undefined` where that cannot be told, and then idleness ends nothing. */
  sessions(): Promise<number | undefined>;
  /** Tells all who are attached. */
  tell(message: string): Promise<void>;
  /** Absent where nothing here may end the machine: then it only reports. */
  readonly end?: End;
  /** Whether a lease that is over ends the machine through `end`; else somebody else holds it to that. */
  readonly holdsLease?: boolean;
  readonly idle?: IdleRule;
  /** How long before the lease ends everybody is told. */
  readonly warnMs?: number;
  readonly onLog?: (line: string) => void;
}

const tickMs = 30_000;
/** How soon an end that was refused is asked for again, and one that was accepted without effect. */
const againMs = 15_000;
const acceptedMs = 120_000;
const answerMs = 250;
const defaultWarnMs = 10 * 60_000;

/** Watches use and lease of the machine, warns, and ends it where it may. */
export class Watch {
  readonly #options: WatchOptions;
  readonly startedMs: number;
  /** Undefined until somebody uses the machine. */
  lastActivityMs: number | undefined;
  sessions: number | undefined;
  idle: IdleRule | undefined;
  idleWarning: string | undefined;
  leaseWarning: string | undefined;
  /** Why the machine is being ended. */
  ending: string | undefined;
  #shutdown: string | undefined;
  #askAgainAt = 0;
  #warnedEnd: number | undefined;
  #poked = new AbortController();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.startedMs = options.world.clock.now();
    this.idle = options.idle;
  }

  get canEnd(): boolean {
    return this.#options.end !== undefined;
  }

  /** Since when nobody uses the machine, as far as is known. */
  get idleSinceMs(): number {
    return Math.max(this.startedMs, this.lastActivityMs ?? 0, this.#options.jobActivityMs());
  }

  /** Somebody says that the machine is in use. */
  touch(): void {
    this.lastActivityMs = this.#options.world.clock.now();
    this.idleWarning = undefined;
  }

  /** The machine is to end now. */
  shutDown(reason: string): void {
    this.#shutdown = reason;
    // A moment later, so that who asked for it still hears that it is done.
    this.#options.world.clock.sleep(answerMs).then(() => this.poke(), () => {});
  }

  /** Something changed: look now. */
  poke(): void {
    this.#poked.abort();
  }

  /** Looks again and again until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // From here on: what changes while it looks is looked at again.
      const poked = this.#poked = new AbortController();
      const waitMs = await this.look().catch((error: unknown) => {
        this.#options.onLog?.(`cannot look after the machine: ${messageOf(error)}`);
        return tickMs;
      });
      await this.#options.world.clock.sleep(waitMs, AbortSignal.any([signal, poked.signal])).catch(() => {});
    }
  }

  /** One look at everything. Returns after how many milliseconds the next is due. */
  async look(): Promise<number> {
    await this.#lookForUse();
    const now = this.#options.world.clock.now();
    const idleWhy = await this.#lookAtIdleness(now);
    const lease = await this.#lookAtLease(now);
    const why = this.#shutdown ?? lease.why ?? idleWhy;
    this.ending = why;
    if (why !== undefined) return await this.#endNow(why, now);
    this.#askAgainAt = 0;
    return Math.max(100, Math.min(tickMs, lease.nextMs));
  }

  async #lookForUse(): Promise<void> {
    const { world, gpus, models, detached, jobActivityMs } = this.#options;
    const looks = [gpus.isBusy(), this.#options.sessions(), models.look(), detached?.look()] as const;
    const [isBusy, sessions] = await Promise.all(looks);
    this.sessions = sessions;
    const now = world.clock.now();
    const seen = [
      isBusy || (sessions ?? 0) > 0 ? now : undefined,
      models.lastActivityMs,
      detached?.lastActivityMs,
      jobActivityMs() > this.startedMs ? jobActivityMs() : undefined,
      this.lastActivityMs,
    ].filter((time) => time !== undefined);
    if (seen.length > 0) this.lastActivityMs = Math.max(...seen);
  }

  /** Warns in time. Returns why the machine is to end, if it is. */
  async #lookAtIdleness(now: number): Promise<string | undefined> {
    const { idle } = this;
    const idleMs = now - this.idleSinceMs;
    const wasWarned = this.idleWarning !== undefined;
    // A rule of a few minutes warns when half of it is over.
    const isNear = idle !== undefined && idleMs >= idle.afterMs - Math.min(defaultWarnMs, idle.afterMs / 2);
    if (idle === undefined || !isNear) {
      this.idleWarning = undefined;
      return undefined;
    }
    const stops = idle.then === "stop" && this.canEnd && this.sessions !== undefined;
    const leftMs = idle.afterMs - idleMs;
    this.idleWarning = `nobody has used this machine for ${spanText(idleMs)}` +
      (stops ? leftMs > 0 ? `: it ends in ${spanText(leftMs)}` : ": it ends now" : "");
    if (!wasWarned) await this.#tell(this.idleWarning);
    // Never without a warning before, however long this process was asleep.
    return stops && leftMs <= 0 && wasWarned ? `it was idle for ${spanText(idle.afterMs)}` : undefined;
  }

  async #lookAtLease(now: number): Promise<{ why?: string; nextMs: number }> {
    const { lease, holdsLease = false, warnMs = defaultWarnMs } = this.#options;
    const endsAt = (await lease?.read())?.leaseEndsAt;
    if (endsAt === undefined) return { nextMs: Infinity };
    const leftMs = endsAt - now;
    if (leftMs > warnMs) {
      this.leaseWarning = undefined;
      return { nextMs: leftMs - warnMs };
    }
    this.leaseWarning = leftMs > 0
      ? `the lease of this machine ends in ${spanText(leftMs)}: save your work`
      : "the lease of this machine is over";
    if (this.#warnedEnd !== endsAt) {
      this.#warnedEnd = endsAt;
      await this.#tell(this.leaseWarning);
    }
    if (leftMs > 0) return { nextMs: leftMs };
    return holdsLease && this.canEnd ? { why: "its lease is over", nextMs: 0 } : { nextMs: Infinity };
  }

  async #endNow(why: string, now: number): Promise<number> {
    const { end, onLog } = this.#options;
    if (now < this.#askAgainAt) return this.#askAgainAt - now;
    if (this.#askAgainAt === 0) {
      onLog?.(`ending the machine: ${why}`);
      await this.#tell(`this machine ends now: ${why}`);
    }
    let waitMs = againMs;
    try {
      if (await end?.(why) !== "not-yet") waitMs = acceptedMs;
    } catch (error) {
      onLog?.(`the machine could not be ended: ${messageOf(error)}`);
    }
    this.#askAgainAt = now + waitMs;
    return waitMs;
  }

  async #tell(message: string): Promise<void> {
    this.#options.onLog?.(message);
    await this.#options.tell(`gpu: ${message}`).catch(() => {});
  }
}
