import type { Mask, MaskedStream } from "../mask.ts";
import { StepLines } from "../runs/step-lines.ts";

type Stream = "stdout" | "stderr";

interface Prints {
  readonly masked: MaskedStream;
  readonly lines: StepLines;
}

/** Where what a recipe prints goes to, without secrets. */
export interface PrintSinks {
  /** Whole lines, without the last newline: for the log, and for a screen that something else is drawn on. */
  tell(text: string, stream: Stream): void;
  /** The bytes as they are. */
  pass(bytes: Uint8Array, stream: Stream): void;
}

/** What a recipe itself prints, in pieces of any size: a secret may be cut anywhere. */
export class HeardPrints {
  readonly #sinks: PrintSinks;
  readonly #prints: Readonly<Record<Stream, Prints>>;

  constructor(mask: Mask, sinks: PrintSinks) {
    this.#sinks = sinks;
    const open = (): Prints => ({ masked: mask.stream(), lines: new StepLines() });
    this.#prints = { stdout: open(), stderr: open() };
  }

  add(chunk: string | Uint8Array, stream: Stream): void {
    const { masked } = this.#prints[stream];
    this.#say(masked.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk), stream);
  }

  /** What was printed without a newline at its end, or held back since a secret could begin there. */
  end(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const { masked, lines } = this.#prints[stream];
      this.#say(masked.end(), stream);
      for (const { text } of lines.end()) this.#sinks.tell(text, stream);
    }
  }

  #say(bytes: Uint8Array, stream: Stream): void {
    if (bytes.length === 0) return;
    const text = this.#prints[stream].lines.add(stream, bytes);
    if (text !== undefined) this.#sinks.tell(text, stream);
    this.#sinks.pass(bytes, stream);
  }
}
