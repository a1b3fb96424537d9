import { GpuError } from "../errors.ts";
import { safeText } from "../safe-text.ts";

/** How a command ended. */
export interface ShellExit {
  /** 128 and the signal's number where a signal ended it. Of a pipe: the last that is not 0. */
  readonly exitCode: number;
}

/**
 * What a command printed, and its exit code. Of a command that printed more than 64 MiB to `stdout` or `stderr`, reading
 * that one throws: the command itself runs on, what it prints is shown, and memory stays small.
 */
export interface ShellOutput extends ShellExit {
  /** Of a pipe: what its last command printed. */
  readonly stdout: string;
  /** Of a pipe: what all its commands printed, as it came. */
  readonly stderr: string;
  /** One for each command of a pipe, in their order; of a single command its own. */
  readonly exitCodes: readonly number[];
}

/**
 * A command of a shell ended with a status that is not 0, or one of a pipe did.
 *
 * ```ts
 * try {
 *   await box.$`make test`;
 * } catch (error) {
 *   if (error instanceof ShellError && error.output.exitCode === 2) console.log(error.lastWords);
 *   else throw error;
 * }
 * ```
 */
export class ShellError extends GpuError {
  override name = "ShellError";
  /** What it printed, and its exit code. */
  readonly output: ShellOutput;
  /** The last 8 KB that it printed, of both streams as they came. */
  readonly lastWords: string;

  constructor(message: string, { output, lastWords, isShown }: { output: ShellOutput } & LastWords) {
    super(withLastWords(message, { lastWords, isShown }), {
      hint: "`.nothrow()` behind a command returns its exit code instead",
    });
    this.output = output;
    this.lastWords = lastWords;
  }
}

/** The end of what a command printed. */
export interface LastWords {
  /** The last 8 KB, of both streams as they came. */
  readonly lastWords: string;
  /** It was printed as it came, so that little of it needs to be said again. */
  readonly isShown: boolean;
}

const shownAgainLines = 5;

/** A message with the end of what a command printed below it. */
export function withLastWords(message: string, { lastWords, isShown }: LastWords): string {
  const lines = safeText(lastWords).trimEnd().split("\n");
  const text = lines.slice(isShown ? -shownAgainLines : 0).join("\n");
  return text === "" ? message : `${message}:\n${text}`;
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
    const end = Buffer.concat(this.#chunks).subarray(-lastWordsBytes);
    // Not in the middle of a character: its other bytes are 10xxxxxx (RFC 3629).
    const begin = end.findIndex((byte) => (byte & 0xc0) !== 0x80);
    return new TextDecoder().decode(end.subarray(Math.max(0, begin)));
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
  { exitCode, exitCodes = [exitCode], stdout, stderr }: {
    exitCode: number;
    exitCodes?: readonly number[];
    stdout: TextCollector;
    stderr: TextCollector;
  },
): ShellOutput {
  const texts = { stdout: stdout.text(), stderr: stderr.text() };
  const output = { exitCode, exitCodes, stdout: texts.stdout ?? "", stderr: texts.stderr ?? "" };
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
