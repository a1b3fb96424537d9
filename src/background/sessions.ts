import type { Session } from "../ssh/session.ts";
import type { Clock } from "../world.ts";
import type { SessionReport } from "./protocol.ts";

export interface SessionsOptions {
  readonly clock: Clock;
  /** How long a session stays that nobody uses; 60 s when left out. */
  readonly idleMs?: number;
  /** Called when there may be less to hold. */
  onChange(): void;
  log(text: string): void;
}

/** The use of a shared session by one command. */
export interface SessionLease extends Disposable {
  readonly session: Session;
}

interface Entry {
  readonly key: string;
  readonly session: Session;
  readonly openedAt: number;
  users: number;
  /** When it was last known to answer, by the monotonic clock. */
  aliveAt: number;
  isOver: boolean;
  idle: AbortController;
}

/** One less than OpenSSH allows on a connection: ending a command takes one more. */
const usersMax = 9;
/** How long a command waits for another to end before it gets a session of its own. */
const patienceMs = 1_000;
/** A session that was silent for longer is asked whether it lives. */
const trustedMs = 5_000;
/** How long it may take to answer. */
const answerMs = 3_000;

/** SSH sessions that are used by one command after the other, and by several at once. */
export class Sessions implements AsyncDisposable {
  readonly #options: SessionsOptions;
  readonly #entries = new Set<Entry>();
  readonly #connecting = new Map<string, Promise<unknown>>();
  #freed = Promise.withResolvers<void>();
  #isOver = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  get heldCount(): number {
    return this.#entries.size + this.#connecting.size;
  }

  /** Those that would be missed if they ended now. */
  get busyCount(): number {
    return [...this.#entries].filter(({ users }) => users > 0).length + this.#connecting.size;
  }

  has(key: string): boolean {
    return this.#entriesOf(key).length > 0;
  }

  report(): SessionReport[] {
    return [...this.#entries].map(({ session: { address: { host, port, user } }, users, openedAt }) => ({
      address: `${user}@${host.includes(":") ? `[${host}]` : host}:${port}`,
      users,
      openedAt,
    }));
  }

  /** A session for this key that answers: one that is there, or the one that `connect` makes. */
  async lease(key: string, connect: () => Promise<Session>, signal: AbortSignal): Promise<SessionLease> {
    let isPatient = true;
    for (;;) {
      signal.throwIfAborted();
      const free = this.#entriesOf(key).find(({ users }) => users < usersMax);
      if (free) {
        const lease = this.#use(free);
        if (await this.#answers(free)) return lease;
        lease[Symbol.dispose]();
        continue;
      }
      const connecting = this.#connecting.get(key);
      if (connecting) {
        await Promise.race([connecting.catch(() => {}), aborted(signal)]);
      } else if (this.has(key) && isPatient) {
        isPatient = await this.#someFreed(signal);
      } else {
        return this.#use(await this.#connect(key, connect));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#entries].map((entry) => this.#end(entry)));
  }

  #entriesOf(key: string): Entry[] {
    return [...this.#entries].filter((entry) => entry.key === key && !entry.isOver);
  }

  async #connect(key: string, connect: () => Promise<Session>): Promise<Entry> {
    const { clock, log, onChange } = this.#options;
    const connecting = connect();
    this.#connecting.set(key, connecting);
    try {
      const session = await connecting;
      const now = clock.monotonic();
      const idle = new AbortController();
      const entry: Entry = { key, session, openedAt: clock.now(), users: 0, aliveAt: now, isOver: false, idle };
      this.#entries.add(entry);
      session.closed.then((error) => {
        if (error) log(`${session.address.host}: ${error.message}`);
        this.#forget(entry);
      });
      if (this.#isOver) await this.#end(entry);
      return entry;
    } finally {
      this.#connecting.delete(key);
      onChange();
    }
  }

  #use(entry: Entry): SessionLease {
    const { clock, idleMs = 60_000 } = this.#options;
    entry.users += 1;
    entry.idle.abort(new Error("it is used"));
    let isOver = false;
    return {
      session: entry.session,
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        entry.users -= 1;
        this.#freed.resolve();
        this.#freed = Promise.withResolvers();
        if (entry.users > 0 || entry.isOver) return;
        entry.idle = new AbortController();
        clock.sleep(idleMs, entry.idle.signal).then(() => this.#end(entry), () => {});
      },
    };
  }

  /** Whether the other side still answers; one that does not is given up, so that nobody waits for it. */
  async #answers(entry: Entry): Promise<boolean> {
    const { clock } = this.#options;
    if (clock.monotonic() - entry.aliveAt > trustedMs) {
      const over = new AbortController();
      const late = clock.sleep(answerMs, over.signal).then(() => false, () => false);
      const isAlive = await Promise.race([entry.session.latency().then(() => true, () => false), late]);
      over.abort(new Error("over"));
      if (!isAlive) {
        this.#forget(entry);
        void entry.session[Symbol.asyncDispose]();
        return false;
      }
    }
    if (entry.isOver) return false;
    entry.aliveAt = clock.monotonic();
    return true;
  }

  /** Waits for a place on a session; says whether waiting longer is worth it. */
  async #someFreed(signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const late = this.#options.clock.sleep(patienceMs, over.signal).then(() => false, () => false);
    const isFreed = await Promise.race([this.#freed.promise.then(() => true), late, aborted(signal)]);
    over.abort(new Error("over"));
    return isFreed;
  }

  #forget(entry: Entry): void {
    entry.isOver = true;
    entry.idle.abort(new Error("it is over"));
    if (!this.#entries.delete(entry)) return;
    this.#freed.resolve();
    this.#freed = Promise.withResolvers();
    this.#options.onChange();
  }

  async #end(entry: Entry): Promise<void> {
    await entry.session[Symbol.asyncDispose]();
    this.#forget(entry);
  }
}

/** Rejects when the signal fires. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
