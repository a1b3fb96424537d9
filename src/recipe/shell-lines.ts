import { GpuError } from "../errors.ts";
import { keepBytes } from "./shell-output.ts";

/** The lines of a text that comes in pieces, without their ends. The last one needs no newline. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let begun = "";
  for await (const chunk of chunks) {
    const [first = "", ...more] = decoder.decode(chunk, { stream: true }).split("\n");
    begun += first;
    for (const next of more) {
      yield withoutReturn(begun);
      begun = next;
    }
    if (begun.length > keepBytes) throw new GpuError(`a line is longer than ${keepBytes / 2 ** 20} MiB`);
  }
  begun += decoder.decode();
  if (begun !== "") yield withoutReturn(begun);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
