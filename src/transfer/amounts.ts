import { bytesText } from "../bytes-text.ts";
import type { Clock } from "../world.ts";

/** `1 file`, `12 files`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function timeText(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")} min`;
}

interface Total {
  readonly files: number;
  readonly bytes: number;
}

/** What has been copied, of how much, how fast, and how long it will still take. */
export class Gauge {
  files = 0;
  bytes = 0;
  readonly #total: Total;
  readonly #clock: Clock;
  readonly #show: (text: string) => void;
  /** The rate is that of the last seconds: `{ at, bytes }`, the oldest first. */
  readonly #marks: { at: number; bytes: number }[] = [];
  #shownAt = -Infinity;

  constructor(total: Total, clock: Clock, show: (text: string) => void) {
    this.#total = total;
    this.#clock = clock;
    this.#show = show;
  }

  addBytes(count: number): void {
    this.bytes += count;
    this.#draw();
  }

  /** Bytes that need not be copied any more: they are none of the speed. */
  skipBytes(count: number): void {
    this.bytes += count;
    for (const mark of this.#marks) mark.bytes += count;
  }

  addFile(): void {
    this.files++;
    this.#draw();
  }

  #draw(): void {
    const now = this.#clock.monotonic();
    if (now - this.#shownAt < 100) return;
    this.#shownAt = now;
    this.#marks.push({ at: now, bytes: this.bytes });
    while (this.#marks.length > 50) this.#marks.shift();
    const [oldest] = this.#marks;
    const seconds = oldest === undefined ? 0 : (now - oldest.at) / 1000;
    const rate = oldest === undefined || seconds < 0.3 ? undefined : (this.bytes - oldest.bytes) / seconds;
    const left = Math.max(0, this.#total.bytes - this.bytes);
    this.#show([
      ...(this.#total.files > 1 ? [`${this.files} of ${this.#total.files} files`] : []),
      `${bytesText(this.bytes)} of ${bytesText(this.#total.bytes)}`,
      ...(rate === undefined ? [] : [`${bytesText(rate)}/s`]),
      ...(rate ? [`${timeText(left / rate)} left`] : []),
    ].join(", "));
  }
}
