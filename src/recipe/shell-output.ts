import { GpuError } from "../errors.ts";

export interface ShellExit {
  /** 128 and the signal's number where a signal ended it. */
  readonly exitCode: number;
}

/**
 * What a command printed, and its exit code. Of a command that printed more than 64 MiB to `stdout` or `stderr`, reading
 * that one throws: the command itself runs on, what it prints is shown, and memory stays small.
 */
export interface ShellOutput extends ShellExit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A command of a shell ended with a status that is not 0. */
export class ShellError extends GpuError {
  override name = "ShellError";
  readonly output: ShellOutput;

  constructor(command: string, { output, lastWords }: { output: ShellOutput; lastWords: string }) {
    const last = lastWords.trimEnd().split("\n").slice(-5).join("\n");
    super(`\`${firstLine(command)}\` exited with ${output.exitCode}${last === "" ? "" : `:\n${last}`}`, {
      hint: "`.nothrow()` behind a command returns its exit code instead",
    });
    this.output = output;
  }
}

/** What both streams of a command may take of memory, each; the end of stderr is kept for the error. */
export const keepBytes = 64 * 2 ** 20;
const lastWordsBytes = 8 * 2 ** 10;

/** What a command prints on one stream, as far as it is kept. */
export class TextCollector {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isTooMuch = false;

  constructor(maxBytes = keepBytes) {
    this.#maxBytes = maxBytes;
  }

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#isTooMuch ||= this.#bytes > this.#maxBytes;
    // Joined now and then only: each time costs what is kept.
    if (this.#isTooMuch && this.#bytes > 2 * lastWordsBytes) {
      this.#keep(Buffer.concat(this.#chunks).subarray(-lastWordsBytes));
    }
  }

  /** All of it, or `undefined` where that was too much. */
  text(): string | undefined {
    return this.#isTooMuch ? undefined : new TextDecoder().decode(Buffer.concat(this.#chunks));
  }

  /** The end of it. */
  lastWords(): string {
    return new TextDecoder().decode(Buffer.concat(this.#chunks).subarray(-lastWordsBytes));
  }

  #keep(end: Uint8Array): void {
    // A copy, so that what it was a part of can go.
    this.#chunks = [Uint8Array.from(end)];
    this.#bytes = end.length;
  }
}

/** What was collected, as a recipe gets it. */
export function outputOf(
  command: string,
  { exitCode, stdout, stderr }: { exitCode: number; stdout: TextCollector; stderr: TextCollector },
): ShellOutput {
  const texts = { stdout: stdout.text(), stderr: stderr.text() };
  const output = { exitCode, stdout: texts.stdout ?? "", stderr: texts.stderr ?? "" };
  for (const name of ["stdout", "stderr"] as const) {
    if (texts[name] !== undefined) continue;
    Object.defineProperty(output, name, {
      enumerable: true,
      get() {
        throw new GpuError(`\`${firstLine(command)}\` printed more than ${keepBytes / 2 ** 20} MiB on ${name}`, {
          hint:
            "so much is not kept in memory: let the command write it to a file, or pick out what matters (`| tail`)",
        });
      },
    });
  }
  return output;
}

/** A command as one line, for messages. */
export function firstLine(command: string): string {
  const [line = "", ...more] = command.trim().split("\n");
  return more.length > 0 ? `${line} …` : line;
}
