import type { Client, ClientChannel } from "ssh2";
import { UsageError } from "../errors.ts";
import { signalExitCode } from "../processes.ts";
import { quoteWord } from "../quote.ts";
import type { SshAddress } from "../provider/provider.ts";
import type { World } from "../world.ts";
import type { ChannelGate } from "./channels.ts";
import { addressText, SshError } from "./failure.ts";
import { sendSignal, sendWindowSize } from "./internals.ts";
import { createMark, killMarked, marking } from "./mark.ts";
import { drain, feed, type Sinks } from "./pipes.ts";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExecOptions {
  /** What the command reads; nothing (end of file at once) when left out. */
  readonly stdin?: AsyncIterable<Uint8Array> | Uint8Array | string;
  /** Travels ahead of stdin, so it is in no list of processes; with a `pty` it is part of the remote command line. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly pty?: TerminalSize & { readonly term: string };
  /** Nothing more is read, here and on the remote, before the returned promise is resolved. */
  readonly onStdout?: (chunk: Uint8Array) => void | Promise<void>;
  readonly onStderr?: (chunk: Uint8Array) => void | Promise<void>;
  /** Says when the terminal has another size. */
  readonly onResize?: (listener: (size: TerminalSize) => void) => Disposable;
  /** Ends the command: TERM, then KILL to what has not ended by that within `graceMs` (2 s). */
  readonly signal?: AbortSignal;
  readonly graceMs?: number;
  /** All that the command started ends with it too; when left out, where it has no terminal, whose closing ends it. */
  readonly endsAll?: boolean;
  /** How to reach what it started, where that belongs to another user. */
  readonly killThrough?: KillThrough;
}

/** A shell that may send signals to all that a command started. */
export interface KillThrough {
  /** A script for it is put behind this, as one word: `sudo -n -- sh -c`. */
  readonly shell: string;
  /** What it reads first: a password, with its newline. */
  readonly stdin: string;
}

export interface ExecResult {
  /** 128 + its number when it was ended by a signal, as a shell would say. */
  readonly exitCode: number;
  readonly signal?: string;
}

/** Runs commands on one machine; it is logged in when this is there. */
export interface Runner extends AsyncDisposable {
  /** Rejects when the connection is lost before the command's end: never a false exit 0. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
}

/** Puts a question to the server; rejects with the reason when the session is lost meanwhile. */
export type Ask = <T>(start: (done: (value: T) => void, fail: (error: Error) => void) => void) => Promise<T>;

interface Connection {
  readonly client: Client;
  readonly address: SshAddress;
  readonly world: Pick<World, "clock" | "random">;
  readonly gate: ChannelGate;
  watch(channel: object, cut: (error: Error) => void): () => void;
  ask: Ask;
}

interface Running {
  readonly channel: ClientChannel;
  readonly exit: { code?: number; signal?: string };
  readonly closed: Promise<void>;
  /** Rejects when the session is lost before the end of the output. */
  readonly cut: Promise<never>;
}

/** Runs one command over a connection. */
export async function execute(connection: Connection, command: string, options: ExecOptions): Promise<ExecResult> {
  const { address } = connection;
  const { signal, graceMs = 2000 } = options;
  signal?.throwIfAborted();
  const ahead = environmentAhead(options);
  const isMarked = options.endsAll ?? options.pty === undefined;
  const mark = isMarked ? createMark(connection.world) : undefined;
  const stopping: Stopping = { mark, graceMs, killThrough: options.killThrough };
  const text = (mark ? marking(mark) : "") + (options.pty ? ahead.exports : ahead.reader) + command;
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const onAbort = () => aborted.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const starting = start(connection, text, options);
  try {
    await Promise.race([starting, aborted.promise]);
  } catch (error) {
    signal?.removeEventListener("abort", onAbort);
    // It may still start, behind others that wait for a channel.
    starting.then((running) => {
      running.channel.resume();
      running.channel.stderr.resume();
      return stop(connection, running, stopping);
    }, () => {});
    throw error;
  }
  const running = await starting;
  const { channel } = running;
  const sinks: Sinks = { isClosed: false, broken: Promise.withResolvers() };
  sinks.broken.promise.catch(() => {});
  using _resize = options.onResize?.((size) => sendWindowSize(channel, size));
  try {
    const output = drain(channel, options, sinks);
    const input = feed(channel, running.closed, options.pty ? "" : ahead.values, options.stdin);
    // Stdin may never end by itself, and need not: the command's end is the end.
    const all = Promise.all([output, running.closed, Promise.race([input, running.closed])]);
    await Promise.race([all, running.cut, aborted.promise, sinks.broken.promise]);
    return resultOf(running, address);
  } catch (error) {
    await stop(connection, running, stopping);
    sinks.isClosed = true;
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function start({ client, gate, watch, ask }: Connection, command: string, { pty }: ExecOptions): Promise<Running> {
  const terminal = pty && { term: pty.term, cols: pty.columns, rows: pty.rows };
  const attempt = () =>
    ask<Running>((done, fail) => {
      const answered = (error: Error | undefined, channel: ClientChannel) => {
        if (error) return fail(error);
        // Listeners go on here, at once: the exit status may be in the packet behind this answer.
        done(follow(channel, watch));
      };
      // No command is the login shell, whatever it is, and the server greets as it does every client.
      if (command === "" && terminal) client.shell(terminal, answered);
      else client.exec(command, terminal ? { pty: terminal } : {}, answered);
    });
  return gate.open(attempt, ({ channel }) => channel);
}

function follow(channel: ClientChannel, watch: Connection["watch"]): Running {
  const exit: Running["exit"] = {};
  const closed = Promise.withResolvers<void>();
  const cut = Promise.withResolvers<never>();
  cut.promise.catch(() => {});
  const forget = watch(channel, cut.reject);
  channel.on("exit", (code: number | null, signal?: string) => {
    if (code !== null) exit.code = code;
    if (signal) exit.signal = signal;
  });
  channel.on("error", cut.reject);
  channel.once("close", () => {
    forget();
    closed.resolve();
  });
  return { channel, exit, closed: closed.promise, cut: cut.promise };
}

interface Stopping {
  readonly mark: string | undefined;
  readonly graceMs: number;
  readonly killThrough: KillThrough | undefined;
}

/** Asks the command to end, gives it a moment, and closes the channel. */
async function stop(
  connection: Connection,
  running: Running,
  { mark, graceMs, killThrough }: Stopping,
): Promise<void> {
  const { channel, closed, cut } = running;
  let isOver = false;
  const over = Promise.race([closed, cut.catch(() => {})]).then(() => void (isOver = true));
  const wait = async (ms: number) => {
    const waiting = new AbortController();
    await Promise.race([over, connection.world.clock.sleep(ms, waiting.signal).catch(() => {})]);
    waiting.abort();
  };
  /** Whether there was something to end. */
  const kill = async (name: "TERM" | "KILL"): Promise<boolean> => {
    if (mark === undefined) return false;
    const script = killMarked(mark, name);
    const text = killThrough ? `${killThrough.shell} ${quoteWord(script)}` : script;
    try {
      const killing = await start(connection, text, {});
      killing.channel.stderr.resume();
      killing.channel.resume().end(killThrough?.stdin ?? "");
      await Promise.race([killing.closed, killing.cut]);
      return killing.exit.code === 0;
    } catch {
      // The session is lost, or has no room for one more: closing the channel is all that is left.
      return false;
    }
  };
  // The end of the command is not that of what it left behind in the background: that is looked for either way.
  const killAll = async (name: "TERM" | "KILL"): Promise<boolean> => {
    const late = new AbortController();
    const patience = connection.world.clock.sleep(graceMs, late.signal).then(() => true, () => true);
    const found = await Promise.race([kill(name), patience]);
    late.abort();
    return found;
  };
  sendSignal(channel, "TERM");
  await wait(Math.min(signalMs, graceMs));
  const isAnyLeft = await killAll("TERM");
  await wait(graceMs);
  if (!isOver) {
    sendSignal(channel, "KILL");
    await killAll("KILL");
  } else if (isAnyLeft) {
    await connection.world.clock.sleep(Math.min(signalMs, graceMs));
    await killAll("KILL");
  }
  channel.close();
}

// A server that passes signals on does it at once; one that does not, never says so.
const signalMs = 150;

function resultOf({ exit }: Running, address: SshAddress): ExecResult {
  if (exit.signal) return { exitCode: signalExitCode(exit.signal), signal: exit.signal };
  if (exit.code !== undefined) return { exitCode: exit.code };
  throw new SshError(`the command on \`${addressText(address)}\` ended without an exit status`, { reason: "lost" });
}

/** A command that prints so many bytes of its stdin and takes not one more from it: BusyBox's `head -c` does. */
export function readAhead(byteCount: number): string {
  return `dd bs=1 count=${byteCount} 2>/dev/null`;
}

/** The environment as shell text, and the command that reads that text from the start of stdin. */
function environmentAhead({ environment = {} }: ExecOptions): { values: string; reader: string; exports: string } {
  const entries = Object.entries(environment);
  if (entries.length === 0) return { values: "", reader: "", exports: "" };
  for (const [name, value] of entries) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new UsageError(`\`${name}\` is not a name for an environment variable`);
    }
    if (value.includes("\0")) throw new UsageError(`the environment variable \`${name}\` holds a zero byte`);
  }
  const exports = `export ${entries.map(([name, value]) => `${name}=${quoteWord(value)}`).join(" ")}; `;
  return { values: exports, reader: `eval "$(${readAhead(Buffer.byteLength(exports))})"; `, exports };
}
