import type { Context } from "../command.ts";
import type { Status } from "./execution.ts";

interface Turn extends Disposable {
  status: Status | undefined;
}

const tickMs = 1000;

/** The living line over many machines: how many are done, failed and running, and which takes longest. */
export class ManyProgress {
  readonly #context: Context;
  readonly #total: number;
  readonly #running = new Map<object, { readonly host: string; readonly since: number }>();
  readonly #over = new AbortController();
  #doneCount = 0;
  #failedCount = 0;

  constructor(context: Context, total: number) {
    this.#context = context;
    this.#total = total;
    if (total > 1 && context.attached?.stderr.isTTY) void this.#tick();
  }

  begin(host: string): Turn {
    const key = {};
    this.#running.set(key, { host, since: this.#context.world.clock.monotonic() });
    const turn: Turn = {
      status: undefined,
      [Symbol.dispose]: () => {
        this.#running.delete(key);
        this.#doneCount++;
        if (turn.status !== "ok") this.#failedCount++;
        this.#show();
      },
    };
    this.#show();
    return turn;
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    if (this.#total > 1) this.#context.progress(undefined);
  }

  async #tick(): Promise<void> {
    while (!this.#over.signal.aborted) {
      await this.#context.world.clock.sleep(tickMs, this.#over.signal).then(() => this.#show(), () => {});
    }
  }

  #show(): void {
    if (this.#total <= 1 || this.#over.signal.aborted) return;
    const failed = this.#failedCount === 0 ? "" : `, ${this.#failedCount} not ok`;
    const [slowest] = this.#running.values();
    const seconds = slowest ? Math.floor((this.#context.world.clock.monotonic() - slowest.since) / 1000) : 0;
    const longest = slowest && seconds >= 2 ? `, \`${slowest.host}\` for ${seconds} s` : "";
    this.#context.progress(
      `${this.#doneCount} of ${this.#total} done${failed}, ${this.#running.size} running${longest}`,
    );
  }
}
