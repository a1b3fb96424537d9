import { appendFileSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../world.ts";
import type { NewRunEvent, RunEvent } from "./events.ts";

/** What a log may take on disk; then the older half of its output is left out. */
export const maxLogBytes = 16 * 2 ** 20;
/** Output is written this often, in milliseconds; all else at once. */
const flushMs = 100;
const flushBytes = 64 * 2 ** 10;

interface RunFileOptions {
  readonly path: string;
  readonly clock: Pick<Clock, "now" | "sleep">;
  readonly maxBytes?: number;
  /** Told once when the log cannot be written: the run goes on without. */
  onProblem(error: unknown): void;
}

/** The log of one run: a line of JSON an event, its owner's alone. Nothing is on disk before `open`. */
export class RunFile {
  readonly #options: RunFileOptions;
  readonly #maxBytes: number;
  #seq = 0;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #size = 0;
  #isOpen = false;
  #isBroken = false;
  #timer: AbortController | undefined;

  constructor(options: RunFileOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? maxLogBytes;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Dates and counts an event and writes it down. */
  add(event: NewRunEvent): RunEvent {
    const dated: RunEvent = { seq: ++this.#seq, time: this.#options.clock.now(), ...event };
    if (this.#isBroken) return dated;
    const line = `${JSON.stringify(dated)}\n`;
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    if (!this.#isOpen) return dated;
    if (event.kind !== "output" || this.#waitingBytes >= flushBytes) this.flush();
    else this.#flushSoon();
    return dated;
  }

  /** From here on what is added is on disk. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#try(() => {
      mkdirSync(dirname(this.#options.path), { recursive: true, mode: 0o700 });
      writeFileSync(this.#options.path, "", { mode: 0o600, flag: "wx" });
    });
    this.flush();
  }

  flush(): void {
    this.#timer?.abort();
    this.#timer = undefined;
    if (!this.#isOpen || this.#waiting.length === 0) return;
    const text = this.#waiting.join("");
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#try(() => {
      appendFileSync(this.#options.path, text);
      this.#size += Buffer.byteLength(text);
      if (this.#size > this.#maxBytes) this.#cut();
    });
  }

  #flushSoon(): void {
    if (this.#timer) return;
    this.#timer = new AbortController();
    this.#options.clock.sleep(flushMs, this.#timer.signal).then(() => this.flush(), () => {});
  }

  /** Leaves out the older output. Whoever follows sees another file in its place, and reads on from where it was. */
  #cut(): void {
    const { path } = this.#options;
    const lines = readFileSync(path, "utf8").split("\n").filter((line) => line !== "");
    let excess = this.#size - this.#maxBytes / 2;
    let cut = 0;
    let last: Dated | undefined;
    const kept: string[] = [];
    for (const line of lines) {
      const event = excess > 0 ? outputOf(line) : undefined;
      if (event === undefined) {
        // In the place of what was left out: whoever has read that has read the mark.
        if (last && excess <= 0) kept.push(markOf(last, cut));
        if (excess <= 0) last = undefined;
        kept.push(line);
        continue;
      }
      excess -= Buffer.byteLength(line) + 1;
      cut += 1;
      last = event;
    }
    const draft = `${path}.new`;
    writeFileSync(draft, `${kept.join("\n")}\n`, { mode: 0o600 });
    renameSync(draft, path);
    this.#size = statSync(path).size;
  }

  #try(work: () => void): void {
    if (this.#isBroken) return;
    try {
      work();
    } catch (error) {
      this.#isBroken = true;
      this.#options.onProblem(error);
    }
  }
}

type Dated = Pick<RunEvent, "seq" | "time">;

/** A line of output, as `add` writes it. Its schema is not asked: a run that only says hello need not load it. */
function outputOf(line: string): Dated | undefined {
  const [, seq, time] = /^\{"seq":(\d+),"time":(\d+),"kind":"output",/.exec(line) ?? [];
  return seq === undefined ? undefined : { seq: Number(seq), time: Number(time) };
}

function markOf({ seq, time }: Dated, lines: number): string {
  const mark: RunEvent = { seq, time, kind: "cut", lines };
  return JSON.stringify(mark);
}
