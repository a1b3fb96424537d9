import { LogText } from "../terminal/log-text.ts";
import type { Clock, Sink, Terminal } from "../world.ts";
import type { RunEvent } from "./events.ts";
import { closedLines, type Costs, plainLines } from "./lines.ts";
import { HeldFailures } from "./held-failures.ts";
import { liveLines, spinnerMs } from "./live.ts";
import { RunModel } from "./model.ts";

/** Draws lines at the bottom of a terminal, below all that is printed. */
export type LiveRegion = (frame: ((size: { columns: number; rows: number }) => string[]) | undefined) => void;

export interface RunViewOptions {
  readonly terminal: Pick<Terminal, "stdout" | "stderr">;
  readonly clock: Clock;
  readonly costs: Costs;
  readonly isColored: boolean;
  /** Where there is a screen; plain lines when left out. */
  readonly live?: LiveRegion | undefined;
  /** Prints while the living part is out of the way. */
  around(write: () => Promise<void>): Promise<void>;
  /** `true`: nothing but what the recipe itself prints. */
  readonly isQuiet?: boolean;
  /** Gets every line as well, with its newline: a file. */
  readonly alsoTo?: ((lines: string) => void) | undefined;
}

/** A run as a person sees it: a living part on a screen, or plain lines. Both come from the events of its log. */
export class RunView {
  readonly model = new RunModel();
  readonly #options: RunViewOptions;
  readonly #held: HeldFailures;
  readonly #texts: Readonly<Record<"stdout" | "stderr", LogText>>;
  #ticking: AbortController | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(options: RunViewOptions) {
    this.#options = options;
    const { isColored } = options;
    this.#texts = { stdout: new LogText({ isColored }), stderr: new LogText({ isColored }) };
    this.#held = new HeldFailures(options.clock);
  }

  /** Resolves when what it says of the event is handed to the system: awaiting it is backpressure. */
  apply(event: RunEvent): Promise<void> {
    this.model.apply(event);
    const lines = this.#linesOf(event);
    const { alsoTo, costs } = this.#options;
    if (alsoTo) { for (const line of plainLines(event, this.model, costs)) alsoTo(`${line}\n`); }
    if (event.kind === "ended") this.stop();
    else this.#live();
    return lines.length === 0 ? this.#written : this.#print(lines, this.#options.terminal.stderr);
  }

  /** What a step waits for now. */
  detail(step: number, text: string | undefined): void {
    const known = this.model.steps.get(step);
    if (known) known.detail = text;
  }

  /** Whole lines of the recipe itself. Some may be a machine's: on a terminal they keep their colours, and nothing else. */
  print(text: string, stream: "stdout" | "stderr"): Promise<void> {
    const sink = this.#options.terminal[stream];
    const shown = sink.isTTY ? this.#texts[stream].write(text) : text;
    return this.#print([shown.replace(/\n$/, "")], sink);
  }

  /** Bytes of the recipe itself, as they are, where nothing is drawn. */
  pass(bytes: Uint8Array, stream: "stdout" | "stderr"): Promise<void> {
    return this.#write(bytes, this.#options.terminal[stream]);
  }

  /** Takes the living part away. */
  stop(): void {
    this.#ticking?.abort();
    this.#ticking = undefined;
    this.#options.live?.(undefined);
  }

  /** Resolves when all is written. */
  written(): Promise<void> {
    return this.#written;
  }

  #linesOf(event: RunEvent): string[] {
    const { live, costs, isColored, terminal, isQuiet = false } = this.#options;
    if (isQuiet) return [];
    if (live === undefined) return this.#plainLinesOf(event);
    const step = event.kind === "step-ended" ? this.model.steps.get(event.step) : undefined;
    if (step === undefined) return [];
    const { columns } = terminal.stderr;
    return closedLines(step, { model: this.model, costs, now: event.time, columns, isColored });
  }

  #plainLinesOf(event: RunEvent): string[] {
    const { costs, terminal } = this.#options;
    const lines = plainLines(event, this.model, costs);
    // A command's words are short, and not those that a run ends with.
    const failure = event.kind === "step-ended" && !event.isInterrupted ? event.error : null;
    if (failure !== null && !/^exited with /.test(failure) && lines.length > 0) {
      const shortLines = plainLines(event, this.model, costs, { saysWhy: false });
      this.#held.add({ error: failure, lines, shortLines }, () => {
        this.#print(this.#held.take(), terminal.stderr).catch(() => {});
      });
      return [];
    }
    // That a run goes on in another place says nothing of whether this failure ends it.
    if (event.kind === "step-ended" || event.kind === "rented") return lines;
    return [...this.#held.take(event.kind === "ended" ? event.error : null), ...lines];
  }

  #print(lines: readonly string[], sink: Sink): Promise<void> {
    return this.#write(`${lines.join("\n")}\n`, sink);
  }

  #write(chunk: string | Uint8Array, sink: Sink): Promise<void> {
    const writing = this.#options.around(() => sink.write(chunk));
    this.#written = writing.catch(() => {});
    return writing;
  }

  #live(): void {
    const { live, clock, isQuiet } = this.#options;
    if (live === undefined || isQuiet || this.#ticking !== undefined || this.model.running().length === 0) return;
    const ticking = new AbortController();
    this.#ticking = ticking;
    const draw = () => live((size) => this.#frame(size));
    void (async () => {
      while (!ticking.signal.aborted) {
        draw();
        await clock.sleep(spinnerMs, ticking.signal);
        if (this.model.running().length === 0) return this.stop();
      }
    })().catch(() => {});
  }

  #frame({ columns, rows }: { columns: number; rows: number }): string[] {
    const { costs, clock, isColored } = this.#options;
    return liveLines({ model: this.model, costs, now: clock.now(), columns, rows, isColored });
  }
}
