import type { Context } from "../command.ts";
import { NotFoundError } from "../errors.ts";
import { isPassing, MachineGone } from "../jobs/reach.ts";
import { connectInstance } from "../rent/connect.ts";
import type { Launch } from "../rent/rows.ts";
import { isOpen } from "../rent/rows.ts";
import type { Session } from "../ssh/session.ts";

const backoffMs = [100, 250, 500, 1000, 2000, 5000] as const;
/** How long a machine that answered once may be silent, in milliseconds. */
const patienceMs = 5 * 60_000;

interface Again {
  readonly signal?: AbortSignal | undefined;
  /** Hears that it is tried again. */
  note?(text: string): void;
}

/** The connection of an instance's handle: made when it is first needed, and again after it was lost. */
export class Reach {
  readonly #context: () => Context;
  readonly #launch: Launch;
  readonly #name: string;
  #open: Promise<Session> | undefined;

  /** `context` is asked anew each time: that of the calling code. */
  constructor(context: () => Context, { launch, name }: { launch: Launch; name: string }) {
    this.#context = context;
    this.#launch = launch;
    this.#name = name;
  }

  session(): Promise<Session> {
    if (this.#open) return this.#open;
    const { world, signal } = this.#context();
    const opening = connectInstance(world, this.#launch, signal);
    const forget = () => {
      if (this.#open === opening) this.#open = undefined;
    };
    opening.then(({ closed }) => closed.then(forget), forget);
    return this.#open = opening;
  }

  /** Does what may be repeated, and does it again with a new connection where the one it had was lost. */
  async again<T>(
    work: (session: Session) => Promise<T>,
    { signal = this.#context().signal, note = this.#context().note }: Again = {},
  ): Promise<T> {
    const { clock } = this.#context().world;
    let lostAt: number | undefined;
    for (let failures = 0;; failures++) {
      let isLost = false;
      try {
        const session = await this.session();
        session.closed.then(() => isLost = true);
        const done = await work(session);
        if (failures > 0) note(`\`${this.#name}\` answers again`);
        return done;
      } catch (error) {
        if (signal.aborted || error instanceof MachineGone) throw error;
        // What was going on may fail before the end of its connection is known.
        await clock.sleep(10, signal);
        if (!isLost && !isPassing(error)) throw error;
        if (failures === 0) note(`\`${this.#name}\` does not answer; trying again`);
        await this.#refuseGone(failures);
        lostAt ??= clock.monotonic();
        if (clock.monotonic() - lostAt > patienceMs) throw error;
        await clock.sleep(backoffMs[Math.min(failures, backoffMs.length - 1)] ?? 5000, signal);
      }
    }
  }

  /** The connection, made again as long as it takes; who asks says so by itself. */
  async opened(): Promise<Session> {
    return await this.again((session) => Promise.resolve(session), { note: () => {} });
  }

  async close(): Promise<void> {
    const session = await this.#open?.catch(() => undefined);
    await session?.[Symbol.asyncDispose]();
  }

  /** Nobody waits for a machine that is not there any more: the journal knows what we ended, the provider the rest. */
  async #refuseGone(failures: number): Promise<void> {
    const context = this.#context();
    const now = (await context.journal()).launch(this.#launch.token);
    if (now === undefined || !isOpen(now) || now.state === "STOPPING") {
      throw new MachineGone(`\`${this.#name}\` is gone${now?.endWhy ? `: ${now.endWhy}` : ""}`);
    }
    if (failures % lookEvery !== lookEvery - 1) return;
    const { oneInstance } = await import("../rent/fleet.ts");
    const state = await oneInstance(context, now.instanceId ?? now.token, { includeStopped: true }).then(
      ({ state }) => state,
      (error: unknown) => error instanceof NotFoundError ? "not listed any more" as const : "unknown" as const,
    );
    if (state === "unknown" || state === "running" || state === "booting") return;
    throw new MachineGone(`\`${this.#name}\` is gone: its provider says that it is ${state}`);
  }
}

/** Its provider is asked at each third failure: after a second, then every 15 s. */
const lookEvery = 3;
