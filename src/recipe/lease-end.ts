import { AsyncLocalStorage } from "node:async_hooks";
import { type Duration, durationMs } from "../duration.ts";
import { GpuError, InterruptedError, messageOf } from "../errors.ts";
import { warnAt } from "../rent/lease-warning.ts";
import type { World } from "../world.ts";
import { besideRecipe } from "./beside.ts";
import { type CurrentRun, findRun } from "./current.ts";

/** Of `box.onLeaseEnd`. */
export interface LeaseEndOptions {
  /** How long before the end; the configuration's `lease.warn` when left out, else `"10m"`. */
  readonly before?: Duration;
}

/** The lease of one instance, as its handlers need it. */
export interface WatchedLease {
  readonly clock: Pick<World["clock"], "now" | "sleep">;
  /** As it stands now, in milliseconds since 1970; undefined once the instance is gone, or is being stopped. */
  read(): { readonly createdAt: number; readonly leaseEndsAt: number } | undefined;
  /** How long before the end it is warned of, in milliseconds. */
  warnMs(): Promise<number>;
  note(text: string): void;
  /** What a person calls the instance. */
  readonly label: string;
}

/** How often a lease is looked at again: it moves, and a computer that slept has lost time. */
const tickMs = 15_000;

/** What a recipe does before the lease of an instance ends. Nothing that goes wrong here keeps the instance. */
export class LeaseEnd {
  readonly #lease: WatchedLease;
  readonly #over = new AbortController();
  readonly #going = new Set<Promise<void>>();
  readonly #inside = new AsyncLocalStorage<true>();

  constructor(lease: WatchedLease) {
    this.#lease = lease;
  }

  /** Runs `handler` before each end that the lease is given, until closed: an end that is moved is a new one. */
  add(handler: () => unknown, { before }: LeaseEndOptions = {}): void {
    // What is wrong with it is said where it was written.
    const beforeMs = before === undefined ? undefined : durationMs(before);
    const run = findRun();
    this.#watch({ handler, beforeMs, run }).catch((error: unknown) => {
      if (!this.#over.signal.aborted) this.#note(`is not watched: ${messageOf(error)}`);
    });
  }

  /** Begins no handler any more, and waits for those that are at work: no longer than the lease lasts. */
  async close(): Promise<void> {
    this.#over.abort(new GpuError("the instance is done with"));
    // One that stops the instance itself would wait for its own end.
    if (!this.#inside.getStore()) await Promise.all(this.#going);
  }

  async #watch(watched: Watched): Promise<void> {
    const { clock, read, warnMs } = this.#lease;
    const { signal } = this.#over;
    const beforeMs = watched.beforeMs ?? await warnMs();
    let lastEnd: number | undefined;
    while (!signal.aborted) {
      const lease = read();
      if (lease === undefined) return;
      const leftMs = warnAt(lease, beforeMs) - clock.now();
      if (leftMs > 0 || lease.leaseEndsAt === lastEnd) {
        await clock.sleep(Math.min(tickMs, Math.max(1, leftMs > 0 ? leftMs : tickMs)), signal);
        continue;
      }
      if (clock.now() >= lease.leaseEndsAt) return;
      lastEnd = lease.leaseEndsAt;
      const work = this.#handle(watched).finally(() => this.#going.delete(work));
      this.#going.add(work);
      await work;
    }
  }

  /** Resolves when the handler is done, the lease is over, or the run was interrupted; never rejects. */
  async #handle({ handler, run }: Watched): Promise<void> {
    const { clock, read } = this.#lease;
    const cut = new AbortController();
    const onInterrupt = () => {
      // That the recipe has ended does not end what saves its results.
      if (run?.context.signal.reason instanceof InterruptedError) cut.abort(run.context.signal.reason);
    };
    run?.context.signal.addEventListener("abort", onInterrupt, { once: true });
    const done = this.#inside.run(true, () => besideRecipe(handler, { run, signal: cut.signal }))
      .then(() => "done" as const, (error: unknown) => {
        if (!cut.signal.aborted) this.#note(`failed: ${messageOf(error)}`);
        return "done" as const;
      });
    const wasCut = new Promise<"done">((resolve) => cut.signal.addEventListener("abort", () => resolve("done")));
    const waiting = new AbortController();
    try {
      onInterrupt();
      for (;;) {
        const leftMs = (read()?.leaseEndsAt ?? 0) - clock.now();
        if (leftMs <= 0) break;
        const pause = clock.sleep(Math.min(tickMs, leftMs), waiting.signal).catch(() => {});
        if (await Promise.race([done, wasCut, pause]) === "done") return;
      }
      this.#note("was not done when the lease ended");
      cut.abort(new GpuError(`the lease of ${this.#lease.label} ended`));
    } finally {
      waiting.abort();
      run?.context.signal.removeEventListener("abort", onInterrupt);
    }
  }

  #note(what: string): void {
    this.#lease.note(`warning: \`onLeaseEnd\` of ${this.#lease.label} ${what}`);
  }
}

interface Watched {
  readonly handler: () => unknown;
  readonly beforeMs: number | undefined;
  readonly run: CurrentRun | undefined;
}
