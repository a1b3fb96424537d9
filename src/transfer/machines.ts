import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import { connectTarget } from "../hosts/connect.ts";
import { selectTarget } from "../hosts/select.ts";
import type { Target } from "../hosts/target.ts";
import type { Session } from "../ssh/session.ts";
import { type ReachFlags, targetOf } from "./params.ts";

/** A machine that files are copied from or to. */
export interface Machine {
  /** As people call it. */
  readonly name: string;
  /** Connects the first time, and again after the connection was lost. */
  session(): Promise<Session>;
}

/** The machines of one copy: each is logged in to once. Disposing of it closes the connections. */
export class Machines implements AsyncDisposable {
  readonly #context: Context;
  readonly #flags: ReachFlags;
  readonly #open = new Map<string, Promise<Session>>();
  #last: Target | undefined;

  constructor(context: Context, flags: ReachFlags) {
    this.#context = context;
    this.#flags = flags;
  }

  /** The machine of that name; without one, the only instance. */
  async machine(name: string | undefined): Promise<Machine> {
    const target = await selectTarget(this.#context, targetOf(this.#flags, name));
    this.#last = target;
    return { name: target.name, session: () => this.#session(target) };
  }

  /** Does the work; where a connection fails, the error says whose. */
  async around<T>(work: () => Promise<T>): Promise<T> {
    const { SshError } = await import("../ssh/failure.ts");
    try {
      return await this.#aroundInstance(work);
    } catch (error) {
      if (!(error instanceof SshError) || this.#context.signal.aborted || this.#last === undefined) throw error;
      throw new GpuError(`\`${this.#last.name}\`: ${error.message}`, { hint: error.hint, exitCode: 255, cause: error });
    }
  }

  async #aroundInstance<T>(work: () => Promise<T>): Promise<T> {
    const { onInstance } = await import("../instance/lost.ts");
    try {
      return await work();
    } catch (error) {
      const target = this.#last;
      if (target?.kind !== "instance") throw error;
      return await onInstance(this.#context, target.launch, () => Promise.reject(error));
    }
  }

  #session(target: Target): Promise<Session> {
    const known = this.#open.get(target.name);
    if (known) return known;
    const { signal, progress } = this.#context;
    progress(`connecting to ${target.name}`);
    const opening = connectTarget(this.#context, target, signal);
    const forget = () => {
      if (this.#open.get(target.name) === opening) this.#open.delete(target.name);
    };
    opening.then(({ closed }) => closed.then(forget), forget);
    this.#open.set(target.name, opening);
    return opening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of [...this.#open.values()]) {
      const session = await opening.catch(() => undefined);
      await session?.[Symbol.asyncDispose]();
    }
  }
}
