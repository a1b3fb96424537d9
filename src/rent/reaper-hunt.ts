import { messageOf } from "../errors.ts";
import { Backoff } from "./backoff.ts";
import { JournalGone } from "./journal-file.ts";
import type { ReaperOptions } from "./reaper.ts";
import { isOpen, type Launch } from "./rows.ts";
import { recordFailure } from "./still-running.ts";
import { stopInstance } from "./stop.ts";

/** A launch that is being stopped. Times are milliseconds since 1970. */
export interface HuntReport {
  readonly token: string;
  readonly since: number;
  readonly attempts: number;
  /** What went wrong last; null as long as nothing did. */
  readonly failure: string | null;
}

export interface HuntsOptions extends Pick<ReaperOptions, "world" | "journal" | "provider" | "log"> {
  /** Why a launch is to be stopped; undefined when it is not. */
  judge(launch: Launch, now: number): string | undefined;
  /** Called when one has ended. */
  onEnd(): void;
  /** Ends them all. */
  readonly signal: AbortSignal;
}

/** How long one try waits to see the machine gone. */
const patienceMs = 300_000;

/** Stops machines, each however often that has to be tried. */
export class Hunts {
  readonly #options: HuntsOptions;
  readonly #open = new Map<string, { -readonly [K in keyof HuntReport]: HuntReport[K] }>();
  /** Machines that were seen gone: why they had to, and since when, in milliseconds since 1970. */
  readonly #gone = new Map<string, { readonly why: string; readonly at: number }>();
  /** Machines that are gone, which no journal can say any more: its file was removed. */
  readonly #untold = new Set<string>();

  constructor(options: HuntsOptions) {
    this.#options = options;
  }

  get tokens(): string[] {
    return [...this.#open.keys()];
  }

  get reports(): HuntReport[] {
    return [...this.#open.values()];
  }

  has(token: string): boolean {
    return this.#open.has(token);
  }

  /** Whether its machine is gone though the journal says something else, and always will. */
  isUntold(token: string): boolean {
    return this.#untold.has(token);
  }

  /** Stops one machine. Resolves when it is gone, or need not go any more; never rejects. */
  async hunt(token: string): Promise<void> {
    const { world, log, signal } = this.#options;
    const hunt: { -readonly [K in keyof HuntReport]: HuntReport[K] } = {
      ...{ token, since: world.clock.now(), attempts: 0, failure: null },
    };
    this.#open.set(token, hunt);
    const backoff = new Backoff();
    while (!signal.aborted) {
      hunt.attempts += 1;
      try {
        if (await this.#stop(token)) break;
        hunt.failure = "it was asked to end and is still there";
      } catch (error) {
        if (signal.aborted) break;
        hunt.failure = messageOf(error);
      }
      const pauseMs = backoff.failed(world.clock.now());
      log(`${token}: ${hunt.failure}; again in ${pauseMs / 1000} s`);
      this.#record(token, hunt.failure);
      await world.clock.sleep(pauseMs, signal).catch(() => {});
    }
    await this.#settle(token);
    this.#open.delete(token);
    this.#options.onEnd();
  }

  /** A machine that is gone is written down as soon as the journal can be written, and not stopped again until then. */
  async #settle(token: string): Promise<void> {
    const { world, journal, log, signal } = this.#options;
    const backoff = new Backoff();
    const gone = this.#gone.get(token);
    this.#gone.delete(token);
    while (gone !== undefined && !signal.aborted) {
      try {
        const launch = journal.launch(token);
        if (launch === undefined || !isOpen(launch)) return;
        if (launch.instanceId === null) journal.markAbsent(token, gone.why);
        journal.markStopped(token, gone.why, gone.at);
        return;
      } catch (error) {
        if (error instanceof JournalGone) return void this.#untold.add(token);
        const pauseMs = backoff.failed(world.clock.now());
        log(`${token}: it is gone, and that cannot be written down: ${messageOf(error)}; again in ${pauseMs / 1000} s`);
        await world.clock.sleep(pauseMs, signal).catch(() => {});
      }
    }
  }

  async #stop(token: string): Promise<boolean> {
    const { world, journal, log, judge, signal } = this.#options;
    const before = journal.launch(token);
    if (before === undefined || !isOpen(before)) return true;
    const provider = await this.#options.provider(before);
    // Its lease may have been extended, its run may have handed it over: asked as late as can be.
    const launch = journal.launch(token);
    const why = launch && isOpen(launch) ? judge(launch, world.clock.now()) : undefined;
    if (why === undefined) return true;
    log(`${token}: stopping ${launch?.instanceId ?? "what it may have made"}: ${why}`);
    const outcome = await stopInstance({ world, journal, provider, signal, target: { token }, why, patienceMs });
    log(`${token}: ${outcome}`);
    if (outcome === "stopped") this.#gone.set(token, { why, at: world.clock.now() });
    return outcome === "stopped";
  }

  /** A journal that cannot be written stops nobody from stopping. */
  #record(token: string, failure: string): void {
    try {
      recordFailure(this.#options.journal, { token, failure, now: this.#options.world.clock.now() });
    } catch (error) {
      this.#options.log(`the journal cannot be written: ${messageOf(error)}`);
    }
  }
}
