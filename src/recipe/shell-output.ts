import { GpuError } from "../errors.ts";

export interface ShellExit {
  /** 128 and the signal's number where a signal ended it. */
  readonly exitCode: number;
}

/** What a command printed, and its exit code. */
export interface ShellOutput extends ShellExit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A command of a shell ended with a status that is not 0. */
export class ShellError extends GpuError {
  override name = "ShellError";
  readonly output: ShellOutput;

  constructor(command: string, output: ShellOutput) {
    const last = output.stderr.trimEnd().split("\n").slice(-5).join("\n");
    super(`\`${firstLine(command)}\` exited with ${output.exitCode}${last === "" ? "" : `:\n${last}`}`, {
      hint: "`.nothrow()` behind a command returns its exit code instead",
    });
    this.output = output;
  }
}

/** Bytes to text; a character may be split over two chunks. */
export class TextCollector {
  readonly #decoder = new TextDecoder();
  readonly #parts: string[] = [];

  add(chunk: Uint8Array): void {
    this.#parts.push(this.#decoder.decode(chunk, { stream: true }));
  }

  end(): string {
    return this.#parts.join("") + this.#decoder.decode();
  }
}

/** A command as one line, for messages. */
export function firstLine(command: string): string {
  const [line = "", ...more] = command.trim().split("\n");
  return more.length > 0 ? `${line} …` : line;
}
