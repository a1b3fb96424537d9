import { safeText } from "../safe-text.ts";
import type { Stream } from "./output.ts";

const longestBytes = 300;

/** The first line with something in it that a command printed, of its errors before its output. */
export class FirstLine {
  readonly #found: Record<Stream, string> = { stdout: "", stderr: "" };
  readonly #isComplete: Record<Stream, boolean> = { stdout: false, stderr: false };

  add(stream: Stream, chunk: Uint8Array): void {
    if (this.#isComplete[stream]) return;
    const start = Buffer.from(chunk.subarray(0, longestBytes)).toString("utf8");
    const text = (this.#found[stream] + start).trimStart();
    const [line = "", ...others] = text.split("\n");
    this.#found[stream] = line;
    this.#isComplete[stream] = others.length > 0 || line.length >= longestBytes;
  }

  get text(): string {
    return safeText(this.#found.stderr.trimEnd() || this.#found.stdout.trimEnd()).replace(/\x1b\[[0-9;:]*m/g, "");
  }
}
