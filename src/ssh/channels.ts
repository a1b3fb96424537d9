import type { EventEmitter } from "node:events";

/**
 * Opens session channels. A server allows only so many at once (OpenSSH: 10) and says so by refusing one more,
 * so an opening that is refused while there are others waits until one of them is over.
 */
export class ChannelGate {
  #count = 0;
  #overCount = 0;
  #isClosed = false;
  #waiting: (() => void)[] = [];
  readonly #pause: () => Promise<void>;

  /** A server's place is free a moment after its channel is closed: `pause` waits for that. */
  constructor(pause: () => Promise<void> = () => Promise.resolve()) {
    this.#pause = pause;
  }

  async open<T>(attempt: () => Promise<T>, emitterOf: (opened: T) => Pick<EventEmitter, "once">): Promise<T> {
    for (let pauses = 0;;) {
      const overBefore = this.#overCount;
      this.#count++;
      try {
        const opened = await attempt();
        emitterOf(opened).once("close", () => this.#leave());
        return opened;
      } catch (error) {
        this.#count--;
        const isHopeless = this.#isClosed || !isRefusal(error) || (this.#count === 0 && this.#overCount === overBefore);
        if (isHopeless && !this.#isClosed && isRefusal(error) && this.#overCount > 0 && pauses++ < mostPauses) {
          await this.#pause();
          continue;
        }
        if (isHopeless) {
          this.#waiting.shift()?.();
          throw error;
        }
        if (this.#overCount === overBefore) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    }
  }

  /** No more channels will open: whoever waits tries once more and gets the reason. */
  close(): void {
    this.#isClosed = true;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #leave(): void {
    this.#count--;
    this.#overCount++;
    this.#waiting.shift()?.();
  }
}

const mostPauses = 25;

function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.message.includes("Channel open failure");
}
