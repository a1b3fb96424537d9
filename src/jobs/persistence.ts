import type { Context } from "../command.ts";
import type { Machine } from "./kept.ts";
import { isPassing } from "./reach.ts";

const backoffMs = [100, 250, 500, 1000, 2000, 5000] as const;

/** Does something on a machine, and again where its connection is lost: for what nothing is repeated by. */
export class Persistence {
  readonly #context: Context;
  readonly #machine: Machine;
  readonly #signal: AbortSignal;
  #wasThere: boolean;
  #failures = 0;

  /** `wasThere`: it has answered before, so that even the first failure is one of the connection. */
  constructor(context: Context, machine: Machine, { signal, wasThere }: { signal: AbortSignal; wasThere: boolean }) {
    this.#context = context;
    this.#machine = machine;
    this.#signal = signal;
    this.#wasThere = wasThere;
  }

  async do<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const done = await work();
        this.#isBack();
        this.#wasThere = true;
        return done;
      } catch (error) {
        if (!this.#wasThere || !isPassing(error) || this.#signal.aborted) throw error;
        if (this.#failures === 0) this.#context.note(`\`${this.#machine.name}\` does not answer; trying again`);
        const ms = backoffMs[Math.min(this.#failures, backoffMs.length - 1)] ?? 5000;
        this.#failures++;
        await this.#context.world.clock.sleep(ms, this.#signal);
      }
    }
  }

  #isBack(): void {
    if (this.#failures > 0) this.#context.note(`\`${this.#machine.name}\` answers again`);
    this.#failures = 0;
  }
}
