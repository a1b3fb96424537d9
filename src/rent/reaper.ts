import { messageOf } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";
import type { World } from "../world.ts";
import type { Journal } from "./journal.ts";
import { recordFailure } from "./still-running.ts";
import { longestSearchMs, searchGivenUp } from "./reaper-search.ts";
import { givenUpSince, judge } from "./reconcile.ts";
import { isOpen, type Launch } from "./rows.ts";
import { stopInstance } from "./stop.ts";

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

/** A launch that is being stopped. Times are milliseconds since 1970. */
export interface HuntReport {
  readonly token: string;
  readonly since: number;
  readonly attempts: number;
  /** What went wrong last; null as long as nothing did. */
  readonly failure: string | null;
}

/** Longest sleep: timers stand still while a computer sleeps, the time of day does not. */
const tickMs = 15_000;
/** How often a run is looked at that lives, by its lock, and has no connection. */
const lonelyMs = 2_000;
/** How long whoever began a stop is left to finish it. */
const stopGraceMs = 30_000;
/** How long one try waits to see the machine gone. */
const patienceMs = 300_000;
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/**
 * Stops what a dead run owned the moment it dies, and every machine whose lease is over; a stop that fails is tried
 * again for ever. Lives in the background process.
 */
export class Reaper implements AsyncDisposable {
  readonly #options: ReaperOptions;
  /** Connections of each run. */
  readonly #watched = new Map<string, number>();
  readonly #hunts = new Map<string, { -readonly [K in keyof HuntReport]: HuntReport[K] }>();
  readonly #over = new AbortController();
  #loop: Promise<void> | undefined;
  #alarm = new AbortController();
  #openLaunches: readonly Launch[] = [];
  /** Launches that seem to have made nothing, and are looked for. */
  readonly #searches = new Map<string, "going on" | "over">();

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  /** Begins at once with what is due. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** How many things would go unwatched without it: runs, launches that may have a machine. */
  get heldCount(): number {
    return this.#watched.size + this.#openLaunches.length + this.#hunts.size + this.#searching.length;
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
    return [...this.#hunts.values()];
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
      try {
        wakeAt = Math.min(wakeAt, this.#round(now));
        this.#beginSearches(now);
      } catch (error) {
        log(`the journal cannot be read: ${messageOf(error)}`);
      }
      const tokens = [this.#openLaunches.map(({ token }) => token), [...this.#hunts.keys()], this.#searching];
      const held = [this.runs, ...tokens].join(" ");
      if (held !== lastHeld) onChange();
      lastHeld = held;
      await this.#sleep(Math.max(1, wakeAt - world.clock.now()), this.#alarm.signal);
    }
  }

  /** Looks at every open launch, begins what is due, and returns when to look again. */
  #round(now: number): number {
    const { journal } = this.#options;
    this.#openLaunches = journal.launches({ open: true });
    const times = this.#openLaunches.filter(({ token }) => !this.#hunts.has(token)).map((launch) => {
      if (this.#isDue(launch, now)) void this.#hunt(launch.token);
      return this.#nextLook(launch, now);
    });
    for (const { id } of journal.runs({ open: true })) {
      if (!this.#isAlive(id)) journal.endRun({ id, exitCode: undefined });
    }
    return Math.min(Infinity, ...times);
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
    if (await searchGivenUp(this.#options, launch, this.#over.signal)) void this.#hunt(launch.token);
    this.#searches.set(launch.token, "over");
    this.look();
  }

  /** Stops one machine, however often that has to be tried. */
  async #hunt(token: string): Promise<void> {
    const { world, log, onChange } = this.#options;
    const hunt = { token, since: world.clock.now(), attempts: 0, failure: null as string | null };
    this.#hunts.set(token, hunt);
    for (let pauseMs = firstPauseMs; !this.#over.signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      hunt.attempts += 1;
      try {
        if (await this.#stop(token)) break;
        hunt.failure = "it was asked to end and is still there";
      } catch (error) {
        if (this.#over.signal.aborted) break;
        hunt.failure = messageOf(error);
      }
      log(`${token}: ${hunt.failure}; again in ${pauseMs / 1000} s`);
      this.#record(token, hunt.failure);
      await this.#sleep(pauseMs);
    }
    this.#hunts.delete(token);
    this.look();
    onChange();
  }

  async #stop(token: string): Promise<boolean> {
    const { world, journal, log } = this.#options;
    const before = journal.launch(token);
    if (before === undefined || !isOpen(before)) return true;
    const provider = await this.#options.provider(before);
    // Its lease may have been extended, its run may have handed it over: asked as late as can be.
    const launch = journal.launch(token);
    const why = launch && isOpen(launch) ? this.#judge(launch, world.clock.now()) : undefined;
    if (why === undefined) return true;
    log(`${token}: stopping ${launch?.instanceId ?? "what it may have made"}: ${why}`);
    const outcome = await stopInstance({
      world,
      journal,
      provider,
      signal: this.#over.signal,
      target: { token },
      why,
      patienceMs,
    });
    log(`${token}: ${outcome}`);
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

  async #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const either = AbortSignal.any([this.#over.signal, ...(signal ? [signal] : [])]);
    await this.#options.world.clock.sleep(ms, either).catch(() => {});
  }
}
