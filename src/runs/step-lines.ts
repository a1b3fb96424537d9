import { StringDecoder } from "node:string_decoder";

/** A line that goes on for longer is told in pieces. */
const longestLine = 64 * 2 ** 10;

interface Partial {
  readonly decoder: StringDecoder;
  text: string;
}

/** Turns what a command prints, in pieces of any size, into whole lines. */
export class StepLines {
  readonly #partial = new Map<"stdout" | "stderr", Partial>();

  /** The lines that are whole now, without the last newline; undefined where there is none. */
  add(stream: "stdout" | "stderr", chunk: Uint8Array): string | undefined {
    const partial = this.#partial.get(stream) ?? { decoder: new StringDecoder("utf8"), text: "" };
    this.#partial.set(stream, partial);
    const text = partial.text + partial.decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    const end = text.lastIndexOf("\n");
    partial.text = shortened(text.slice(end + 1));
    if (partial.text.length > longestLine) {
      const whole = text;
      partial.text = "";
      return whole;
    }
    return end < 0 ? undefined : text.slice(0, end);
  }

  /** What is left when the command is over. */
  end(): { stream: "stdout" | "stderr"; text: string }[] {
    const left = [...this.#partial].map(([stream, { decoder, text }]) => ({ stream, text: text + decoder.end() }));
    this.#partial.clear();
    return left.filter(({ text }) => text !== "");
  }
}

/** Of a progress bar, that is drawn over itself for hours, the last state is what counts. */
function shortened(text: string): string {
  return text.length < 4096 ? text : text.slice(Math.max(0, text.lastIndexOf("\r", text.length - 2)));
}
