import type { Duplex } from "node:stream";
import { messageOf } from "../errors.ts";
import type { World } from "../world.ts";
import type { Session } from "./session.ts";
import { limitsOf, type Watchfulness } from "./watchfulness.ts";

/** However slow a line is, a probe that took longer is doubtful. */
const answerMsMax = 15_000;
/** How often a silent session is looked at. */
const lookMs = 250;

/**
 * A session that is watched. It is *silent* while a probe has no answer: nothing new is opened over it then, but what
 * goes through it may go on, since a line that was only slow is not cut. It is *over* once it was lost, or silent for
 * too long.
 */
export class Link {
  readonly session: Session;
  /** Of the last probe. */
  latencyMs: number | undefined;
  /** Why it is over. */
  end: Error | undefined;
  /** How many connections are being opened over it. */
  openings = 0;
  readonly #clock: World["clock"];
  readonly #limits: Required<Watchfulness>;
  readonly #listeners = new Set<() => void>();
  #streams = 0;
  #isSilent = false;
  #hasSuccessor = false;
  #isNeeded = false;
  #heardAt: number;
  #pause = new AbortController();

  constructor(session: Session, { clock, ...given }: Watchfulness & Pick<World, "clock">) {
    this.session = session;
    this.#clock = clock;
    this.#limits = limitsOf(given);
    this.#heardAt = clock.monotonic();
    void this.#live();
  }

  get isUsable(): boolean {
    return !this.#isSilent && this.end === undefined;
  }

  /** Calls when it falls silent, speaks again or is over, until disposed. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Resolves once it is so; a change that passes before anybody looks may be missed. */
  async until(isSo: (link: Link) => boolean): Promise<void> {
    if (isSo(this)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _ = this.onChange(() => isSo(this) && resolve());
    await promise;
  }

  /** Something came from the other side. */
  heard(): void {
    this.#heardAt = this.#clock.monotonic();
    if (!this.#isSilent) return;
    this.#isSilent = false;
    this.#tell();
  }

  /** Somebody needs it now: it is probed as soon as it was not heard of for half a moment. */
  hurry(): void {
    if (this.#isNeeded) return;
    this.#isNeeded = true;
    this.#pause.abort();
  }

  /** Opens a connection from the other side to a host and port. */
  async open(host: string, port: number): Promise<Duplex> {
    this.openings++;
    try {
      return await this.session.openStream(host, port);
    } finally {
      this.openings--;
    }
  }

  /** Something goes through it, until that is disposed. */
  enter(): Disposable {
    this.#streams++;
    let isIn = true;
    return {
      [Symbol.dispose]: () => {
        if (!isIn) return;
        isIn = false;
        this.#streams--;
        this.#endIfUnused();
      },
    };
  }

  /** Another session takes what is new; this one ends with what still goes through it. */
  retire(): void {
    this.#hasSuccessor = true;
    this.#endIfUnused();
  }

  /** Ends it, with what goes through it. */
  async close(why: Error): Promise<void> {
    if (this.end === undefined) {
      this.end = why;
      this.#pause.abort();
      this.#tell();
    }
    await this.session[Symbol.asyncDispose]();
  }

  async #live(): Promise<void> {
    const end = await Promise.race([this.session.closed, this.#probe()]).catch((error: unknown) =>
      error instanceof Error ? error : new Error(messageOf(error))
    );
    await this.close(end ?? new Error("the session was closed"));
  }

  /** Asks again and again; resolves with the reason once it is dead. */
  async #probe(): Promise<Error> {
    const { answerMs, deadAfterMs, replacedDeadAfterMs } = this.#limits;
    while (this.end === undefined) {
      await this.#untilDue();
      const askedAt = this.#clock.monotonic();
      let isAnswered = false;
      const answer = this.session.latency().then((ms) => {
        isAnswered = true;
        this.latencyMs = ms;
        this.heard();
        this.#pause.abort();
      });
      // The end of the session is heard of by `closed`, too.
      answer.catch(() => this.#pause.abort());
      const limitMs = Math.min(answerMsMax, Math.max(answerMs, 4 * (this.latencyMs ?? 0)));
      await this.#sleep(limitMs);
      while (!isAnswered && this.end === undefined) {
        const now = this.#clock.monotonic();
        // Bytes that came meanwhile are an answer too: a probe waits its turn behind them.
        const silentMs = now - Math.max(this.#heardAt, askedAt);
        if (silentMs >= limitMs) this.#doubt();
        if (silentMs >= (this.#hasSuccessor ? replacedDeadAfterMs : deadAfterMs)) {
          return new Error(`no answer for ${Math.round(silentMs / 1000)} s`);
        }
        await this.#sleep(lookMs);
      }
    }
    return this.end;
  }

  /** Until it is time for the next probe. */
  async #untilDue(): Promise<void> {
    const { busyProbeMs, idleProbeMs } = this.#limits;
    const since = this.#clock.monotonic();
    while (this.end === undefined) {
      const due = this.#isNeeded
        ? Math.min(since + busyProbeMs, Math.max(since, this.#heardAt) + busyProbeMs / 2)
        : since + (this.#streams > 0 ? busyProbeMs : idleProbeMs);
      const leftMs = due - this.#clock.monotonic();
      if (leftMs <= 0) break;
      await this.#sleep(leftMs);
    }
    this.#isNeeded = false;
  }

  /** Until the time is over, or something happened that is worth a look. */
  async #sleep(ms: number): Promise<void> {
    this.#pause = new AbortController();
    await this.#clock.sleep(ms, this.#pause.signal).catch(() => {});
  }

  #doubt(): void {
    if (this.#isSilent) return;
    this.#isSilent = true;
    this.#tell();
  }

  #endIfUnused(): void {
    if (this.#hasSuccessor && this.#streams === 0) void this.close(new Error("it has a successor"));
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
