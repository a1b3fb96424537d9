import type { Session } from "../ssh/session.ts";
import type { HostLogin } from "./target.ts";

/** A connection to a jump host, until it is disposed. */
export interface Jump extends AsyncDisposable {
  readonly session: Session;
}

interface Open {
  readonly session: Promise<Session>;
  readonly ending: AbortController;
  users: number;
}

/** Connections to jump hosts, each shared by all who go through it at the same time. */
export class Jumps {
  readonly #connect: (login: HostLogin, signal: AbortSignal) => Promise<Session>;
  readonly #open = new Map<string, Open>();

  constructor(connect: (login: HostLogin, signal: AbortSignal) => Promise<Session>) {
    this.#connect = connect;
  }

  /** Goes through these, the nearest first, and comes back with a session on the last of them. */
  async use(jumps: readonly HostLogin[], signal: AbortSignal): Promise<Jump> {
    const last = jumps.at(-1);
    if (last === undefined) throw new Error("a way through no host");
    const key = JSON.stringify(jumps);
    const open = this.#open.get(key) ?? this.#start(key, { ...last, jumps: jumps.slice(0, -1) });
    open.users++;
    const leave = async () => {
      if (--open.users > 0) return;
      if (this.#open.get(key) === open) this.#open.delete(key);
      open.ending.abort(new Error("nobody goes through it any more"));
      await open.session.then((session) => session[Symbol.asyncDispose](), () => {});
    };
    try {
      const session = await Promise.race([open.session, untilAborted(signal)]);
      return { session, [Symbol.asyncDispose]: leave };
    } catch (error) {
      await leave();
      throw error;
    }
  }

  #start(key: string, login: HostLogin): Open {
    const ending = new AbortController();
    const session = this.#connect(login, ending.signal);
    const open: Open = { session, ending, users: 0 };
    this.#open.set(key, open);
    const forget = () => {
      if (this.#open.get(key) === open) this.#open.delete(key);
    };
    session.then(({ closed }) => closed.then(forget), forget);
    return open;
  }
}

/** Rejects with the signal's reason when it fires. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
