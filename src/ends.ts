import { fstatSync } from "node:fs";
import { isForeground, leaveOutputAlone } from "./job-control.ts";

interface SinkFacts {
  readonly isTTY: boolean;
  readonly columns: number;
  readonly rows: number;
}

/** Where what is read goes. */
export interface Reader {
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
}

/**
 * Standard input, output and errors of this process without the streams of Node, which take as long to load as a
 * command over a shared session takes in all. A terminal gets Node's all the same: it knows raw mode and sizes.
 */
export class Ends implements Disposable {
  readonly stdin: { readonly isTTY: boolean };
  readonly stdout: SinkFacts;
  readonly stderr: SinkFacts;
  readonly #process: NodeJS.Process;
  readonly #isTerminal: boolean;
  #isReading = false;
  #leave = () => {};

  private constructor(process: NodeJS.Process, { stdin, stdout, stderr }: Pick<Ends, "stdin" | "stdout" | "stderr">) {
    this.#process = process;
    this.#isTerminal = stdin.isTTY;
    this.stdin = { isTTY: stdin.isTTY && isForeground(process.platform) };
    this.stdout = stdout;
    this.stderr = stderr;
  }

  static async open(process: NodeJS.Process): Promise<Ends> {
    const isDevice = [0, 1, 2].some(mayBeTerminal);
    const isTerminal = isDevice ? (await import("node:tty")).isatty : () => false;
    const sink = (fd: 1 | 2): SinkFacts => {
      if (!isTerminal(fd)) return { isTTY: false, columns: 80, rows: 24 };
      const { columns, rows } = fd === 1 ? process.stdout : process.stderr;
      return { isTTY: true, columns: columns || 80, rows: rows || 24 };
    };
    return new Ends(process, { stdin: { isTTY: isTerminal(0) }, stdout: sink(1), stderr: sink(2) });
  }

  /** Reads from now on, as long as nobody says `halt`; what arrives afterwards waits for the next to read. */
  read(raw: boolean | "both", reader: Reader): void {
    if (this.#isTerminal && !this.stdin.isTTY) return reader.end(); // A job in the background would be stopped.
    if (this.#isTerminal) return this.#readKeys(raw, reader);
    if (this.#isReading) return;
    this.#isReading = true;
    void this.#readStream(reader);
  }

  halt(): void {
    this.#leave();
  }

  onResize(listener: (size: { columns: number; rows: number }) => void): void {
    if (!this.stdout.isTTY) return;
    const { stdout } = this.#process;
    stdout.on("resize", () => listener({ columns: stdout.columns || 80, rows: stdout.rows || 24 }));
  }

  [Symbol.dispose](): void {
    this.halt();
  }

  async #readStream(reader: Reader): Promise<void> {
    try {
      for await (const bytes of Bun.stdin.stream()) await reader.write(bytes);
    } catch {
      // Nobody reads it any more, or it cannot be read: both are its end.
    }
    reader.end();
  }

  #readKeys(raw: boolean | "both", reader: Reader): void {
    const { stdin } = this.#process;
    this.#leave();
    const onData = (bytes: Uint8Array) => void reader.write(bytes).catch(() => {});
    const onEnd = () => reader.end();
    stdin.on("data", onData).on("end", onEnd).on("error", onEnd);
    stdin.setRawMode(raw !== false);
    if (raw === "both") leaveOutputAlone(this.#process.platform);
    stdin.resume();
    this.#leave = () => {
      this.#leave = () => {};
      stdin.pause();
      stdin.off("data", onData).off("end", onEnd).off("error", onEnd);
      try {
        stdin.setRawMode(false);
      } catch {
        // The terminal itself is gone: a window that was closed.
      }
    };
  }
}

/** A device that is not /dev/null (1:3 on Linux): to ask further takes longer than the answer is worth. */
function mayBeTerminal(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isCharacterDevice() && stats.rdev !== 0x103;
  } catch {
    return false;
  }
}
