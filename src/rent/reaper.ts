import { messageOf } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";
import type { World } from "../world.ts";
import { Backoff } from "./backoff.ts";
import type { Journal } from "./journal.ts";
import { type HuntReport, Hunts } from "./reaper-hunt.ts";
import { longestSearchMs, searchGivenUp } from "./reaper-search.ts";
import { givenUpSince, judge } from "./reconcile.ts";
import type { Launch } from "./rows.ts";

export interface ReaperOptions {
  readonly world: Pick<World, "clock">;
  readonly journal: Journal;
  /** The provider of a launch, with a key of its account. */
  provider(launch: Launch): Promise<Provider>;
  isRunAlive(run: string): boolean;
  /** Called when there may be less to hold. */
  onChange(): void;
  log(text: string): void;
}

/** Longest sleep: timers stand still while a computer sleeps, the time of day does not. */
const tickMs = 15_000;
/** How often a run is looked at that lives, by its lock, and has no connection. */
const lonelyMs = 2_000;
/** How long whoever began a stop is left to finish it. */
const stopGraceMs = 30_000;

/**
 * Stops what a dead run owned the moment it dies, and every machine whose lease is over; a stop that fails is tried
 * again for ever. Lives in the background process.
 */
export class Reaper implements AsyncDisposable {
  readonly #options: ReaperOptions;
  /** Connections of each run. */
  readonly #watched = new Map<string, number>();
  readonly #hunts: Hunts;
  readonly #over = new AbortController();
  #loop: Promise<void> | undefined;
  #alarm = new AbortController();
  #openLaunches: readonly Launch[] = [];
  /** The journal could not be read, or the end of a run not written. */
  readonly #reading = new Backoff();
  readonly #writing = new Backoff();
  /** Launches that seem to have made nothing, and are looked for. */
  readonly #searches = new Map<string, "going on" | "over">();

  constructor(options: ReaperOptions) {
    this.#options = options;
    this.#hunts = new Hunts({
      ...options,
      judge: (launch, now) => this.#judge(launch, now),
      signal: this.#over.signal,
      onEnd: () => {
        this.look();
        options.onChange();
      },
    });
  }

  /** Begins at once with what is due. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** How many things would go unwatched without it: runs, launches that may have a machine. */
  get heldCount(): number {
    return this.#watched.size + this.#openLaunches.length + this.#hunts.tokens.length + this.#searching.length;
  }

  get #searching(): string[] {
    return [...this.#searches].filter(([, state]) => state === "going on").map(([token]) => token);
  }

  get runs(): string[] {
    return [...this.#watched.keys()];
  }

  get openLaunches(): readonly Launch[] {
    return this.#openLaunches;
  }

  get hunts(): HuntReport[] {
    return this.#hunts.reports;
  }

  /** Holds a run until `lost`. */
  watch(run: string): void {
    this.#watched.set(run, (this.#watched.get(run) ?? 0) + 1);
  }

  /** The connection of a run is gone: it has ended, or died. */
  async lost(run: string): Promise<void> {
    const left = (this.#watched.get(run) ?? 1) - 1;
    if (left > 0) return void this.#watched.set(run, left);
    this.#watched.delete(run);
    // The system closes the files of a dead process one by one: its lock may be there a moment longer than its socket.
    for (const pauseMs of [1, 2, 5, 10, 20, 50, 100, 200, 400]) {
      if (!this.#options.isRunAlive(run)) break;
      await this.#sleep(pauseMs);
    }
    this.look();
  }

  /** The journal may say something else than before. */
  look(): void {
    this.#alarm.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new Error("the reaper ends"));
    this.look();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { world, log, onChange } = this.#options;
    let lastHeld: string | undefined;
    while (!this.#over.signal.aborted) {
      this.#alarm = new AbortController();
      const now = world.clock.now();
      let wakeAt = now + tickMs;
      let canRead = true;
      try {
        wakeAt = Math.min(wakeAt, this.#round(now));
        this.#beginSearches(now);
        this.#reading.worked();
      } catch (error) {
        canRead = false;
        wakeAt = now + this.#reading.failed(now);
        log(`the journal cannot be read: ${messageOf(error)}; again in ${(wakeAt - now) / 1000} s`);
      }
      const tokens = [this.#openLaunches.map(({ token }) => token), this.#hunts.tokens, this.#searching];
      const held = [this.runs, ...tokens].join(" ");
      if (held !== lastHeld) onChange();
      lastHeld = held;
      // A journal that cannot be read says nothing new, however often somebody writes to it.
      await this.#sleep(Math.max(1, wakeAt - world.clock.now()), canRead ? this.#alarm.signal : undefined);
    }
  }

  /** Looks at every open launch, begins what is due, and returns when to look again. */
  #round(now: number): number {
    const { journal } = this.#options;
    this.#openLaunches = journal.launches({ open: true }).filter(({ token }) => !this.#hunts.isUntold(token));
    const times = this.#openLaunches.filter(({ token }) => !this.#hunts.has(token)).map((launch) => {
      if (this.#isDue(launch, now)) void this.#hunts.hunt(launch.token);
      return this.#nextLook(launch, now);
    });
    this.#endDeadRuns(now);
    return Math.min(Infinity, ...times);
  }

  /** Writing is tried less and less often where it fails, so that a full disk keeps nobody busy. */
  #endDeadRuns(now: number): void {
    const { journal, log } = this.#options;
    if (now < this.#writing.againAt) return;
    try {
      for (const { id } of journal.runs({ open: true })) {
        if (!this.#isAlive(id)) journal.endRun({ id, exitCode: undefined });
      }
      this.#writing.worked();
    } catch (error) {
      const pauseMs = this.#writing.failed(now);
      log(`the end of a run cannot be written down: ${messageOf(error)}; again in ${pauseMs / 1000} s`);
    }
  }

  #isDue(launch: Launch, now: number): boolean {
    if (this.#judge(launch, now) === undefined) return false;
    const isTakenOver = launch.state === "STOPPING" && now - (launch.stoppingAt ?? 0) < stopGraceMs;
    // What another process began is its own to finish, unless that was a run that died over it.
    return !isTakenOver || (launch.owner === "run" && !this.#isAlive(launch.run));
  }

  #nextLook(launch: Launch, now: number): number {
    if (launch.state === "STOPPING") return (launch.stoppingAt ?? now) + stopGraceMs;
    return launch.owner === "run" && !this.#watched.has(launch.run)
      ? Math.min(launch.leaseEndsAt, now + lonelyMs)
      : launch.leaseEndsAt;
  }

  /** Why a launch is to be stopped; undefined when it is not. */
  #judge(launch: Launch, now: number): string | undefined {
    const isRunAlive = (run: string) => this.#isAlive(run);
    const { verdict, why } = judge(launch, { listed: [], now, settleMs: Infinity, isRunAlive });
    return verdict === "stop" ? why : undefined;
  }

  #isAlive(run: string): boolean {
    return this.#watched.has(run) || this.#options.isRunAlive(run);
  }

  #beginSearches(now: number): void {
    for (const launch of givenUpSince(this.#options.journal, now - longestSearchMs)) {
      if (!this.#searches.has(launch.token)) void this.#search(launch);
    }
  }

  async #search(launch: Launch): Promise<void> {
    this.#searches.set(launch.token, "going on");
    if (await searchGivenUp(this.#options, launch, this.#over.signal)) void this.#hunts.hunt(launch.token);
    this.#searches.set(launch.token, "over");
    this.look();
  }

  async #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const either = AbortSignal.any([this.#over.signal, ...(signal ? [signal] : [])]);
    await this.#options.world.clock.sleep(ms, either).catch(() => {});
  }
}
