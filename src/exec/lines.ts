import { Buffer } from "node:buffer";
import type { Attached, Context } from "../command.ts";
import { oneLine } from "../safe-text.ts";
import type { Sink } from "../world.ts";
import { nothingCaptured, wholeCharacters } from "./capture.ts";
import { prefixedLines } from "./harmless.ts";
import type { HostOutput, Output } from "./output.ts";
import { paint } from "../paint.ts";

/** Every line as it comes, behind the name of its machine. */
export function liveOutput(context: Context, terminal: Attached, hosts: readonly string[]): Output {
  const { stdout, stderr } = terminal;
  const width = Math.max(...hosts.map((host) => Bun.stringWidth(host))) + 2;
  const numbers = new Map(hosts.map((host, index) => [host, index]));
  const screens = { stdout: new Screen(stdout, context), stderr: new Screen(stderr, context) };
  const prefixOf = (host: string, { isTTY }: Sink) => {
    const name = `${oneLine(host)}:`;
    if (!isTTY) return `${name} `;
    const color = colors[(numbers.get(host) ?? 0) % colors.length] ?? "cyan";
    const shown = paint(color, name, context.globals.color);
    return shown + " ".repeat(Math.max(1, width - Bun.stringWidth(name)));
  };
  return {
    open(host): HostOutput {
      const lines = {
        stdout: new Lines(screens.stdout, prefixOf(host, stdout), context),
        stderr: new Lines(screens.stderr, prefixOf(host, stderr), context),
      };
      return {
        write: (stream, chunk) => lines[stream].write(chunk),
        async end() {
          await lines.stdout.end();
          await lines.stderr.end();
          return nothingCaptured;
        },
      };
    },
    end: () => Promise.resolve(),
  };
}

const colors = ["cyan", "green", "yellow", "magenta", "blue", "cyanBright", "greenBright", "magentaBright"] as const;

/** A line that is not complete is shown after so many milliseconds, */
const momentMs = 500;
/** where nobody watches only if it has so many bytes, since another machine's line may then stand in it, */
const shortBytes = 4096;
/** and at once when it has so many. */
const longestBytes = 64 * 1024;

/** One stream of one machine, cut at its newlines. */
class Lines {
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #moment: AbortController | undefined;
  #isEnded = false;
  readonly #screen: Screen;
  readonly #prefix: string;
  readonly #world: Context["world"];

  constructor(screen: Screen, prefix: string, { world }: Context) {
    this.#screen = screen;
    this.#prefix = prefix;
    this.#world = world;
  }

  async write(chunk: Uint8Array): Promise<void> {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const end = bytes.lastIndexOf(0x0a) + 1;
    const complete = end === 0 ? undefined : this.#take(bytes.subarray(0, end));
    if (end < bytes.length) this.#hold(bytes.subarray(end));
    if (complete) await this.#print(complete);
    if (this.#pendingBytes >= longestBytes) await this.#flush();
    else if (this.#pendingBytes > (this.#screen.isTTY ? 0 : shortBytes)) this.#flushInAMoment();
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    this.#moment?.abort();
    if (this.#pendingBytes > 0) await this.#print(this.#take(Buffer.from("\n")));
    else await this.#screen.closeLine(this);
  }

  /** All that is pending, with these bytes behind it. */
  #take(last: Buffer): Buffer {
    const all = this.#pending.length === 0 ? last : Buffer.concat([...this.#pending, last]);
    this.#pending = [];
    this.#pendingBytes = 0;
    return all;
  }

  #hold(bytes: Buffer): void {
    // A copy: a view would keep the whole packet.
    this.#pending.push(Buffer.from(bytes));
    this.#pendingBytes += bytes.length;
  }

  async #flush(): Promise<void> {
    const all = this.#take(Buffer.alloc(0));
    const whole = wholeCharacters(all);
    if (whole.length < all.length) this.#hold(all.subarray(whole.length));
    await this.#print(whole);
  }

  #flushInAMoment(): void {
    if (this.#moment !== undefined) return;
    const moment = new AbortController();
    this.#moment = moment;
    this.#world.clock.sleep(momentMs, moment.signal).then(async () => {
      this.#moment = undefined;
      if (!this.#isEnded && this.#pendingBytes > 0) await this.#flush();
    }).catch(() => {}); // Where nothing can be printed any more, the next line says so.
  }

  #print(bytes: Buffer): Promise<void> {
    return this.#screen.print(this, bytes, this.#prefix);
  }
}

/** One of our two streams: lines of many machines, one after the other. */
class Screen {
  readonly #sink: Sink;
  readonly #around: Context["around"];
  /** Whose line is not complete yet. */
  #open: Lines | undefined;

  constructor(sink: Sink, { around }: Context) {
    this.#sink = sink;
    this.#around = around;
  }

  get isTTY(): boolean {
    return this.#sink.isTTY;
  }

  print(from: Lines, bytes: Buffer, prefix: string): Promise<void> {
    return this.#around(async () => {
      const { isTTY } = this.#sink;
      const isContinued = this.#open === from;
      const isWhole = bytes.at(-1) === 0x0a;
      if (this.#open !== undefined && !isContinued) await this.#sink.write("\n");
      this.#open = isWhole || isTTY ? undefined : from;
      await this.#sink.write(prefixedLines(bytes, { prefix, isTTY, isContinued }));
      // The living line is drawn below, so nothing can be left open on a terminal.
      if (isTTY && !isWhole) await this.#sink.write("\n");
    });
  }

  async closeLine(of: Lines): Promise<void> {
    if (this.#open !== of) return;
    await this.#around(async () => {
      if (this.#open !== of) return;
      this.#open = undefined;
      await this.#sink.write("\n");
    });
  }
}
