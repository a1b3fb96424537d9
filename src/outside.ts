import type { Socket } from "node:net";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { ClosedPipe, GpuError } from "./errors.ts";
import { reasonOf } from "./files.ts";
import { foldersOf } from "./folders.ts";
import { isForeground, leaveOutputAlone } from "./job-control.ts";
import { writeUnheard } from "./heard.ts";
import { keychainOf } from "./keychain.ts";
import { hearSignals } from "./spin.ts";
import type { Clock, Input, Sink, SpawnOptions, World } from "./world.ts";

interface OutsideOptions {
  /** Called when the reader of stdout or stderr has gone. */
  onClosedPipe(): void;
}

/** The real world of one process. */
export function outside(process: NodeJS.Process, { onClosedPipe }: OutsideOptions): World {
  const home = resolve(process.env.HOME || homedir());
  return {
    env: process.env,
    platform: process.platform,
    arch: process.arch,
    cwd: process.cwd(),
    home,
    folders: foldersOf(process.platform, process.env, home),
    self: isCompiled() ? [process.execPath] : [process.execPath, Bun.main],
    clock: realClock,
    terminal: {
      stdin: inputOf(process),
      stdout: sinkOf(() => process.stdout, onClosedPipe),
      stderr: sinkOf(() => process.stderr, onClosedPipe),
    },
    keychain: keychainOf(process.platform, process.env),
    random: (byteCount) => crypto.getRandomValues(new Uint8Array(byteCount)),
    fetch: (url, init) => fetch(url, init),
    dial,
    spawn: spawnChild,
    hearSignals: () => hearSignals(process.platform) ?? { [Symbol.dispose]() {} },
  };
}

/** Inside a compiled executable modules live in a virtual file system. */
function isCompiled(): boolean {
  return Bun.main.startsWith("/$bunfs/") || /^[A-Z]:[\\/]~BUN[\\/]/.test(Bun.main);
}

// A recipe may replace these; what is trusted with machines goes on with the system's own.
const { setTimeout, clearTimeout, Date, performance } = globalThis;
const now = Date.now.bind(Date);

/** Timers of the system hold no more; a longer sleep is several. */
const longestTimerMs = 2 ** 31 - 1;

/** The system's clock. */
export const realClock: Clock = {
  now,
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    let leftMs = ms;
    do {
      const sliceMs = Math.min(leftMs, longestTimerMs);
      await sleepOnce(sliceMs, signal);
      leftMs -= sliceMs;
    } while (leftMs > 0);
  },
};

function sleepOnce(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

function sinkOf(stream: () => NodeJS.WriteStream, onClosedPipe: () => void): Sink {
  let isClosed = false;
  let isWatched = false;
  const opened = () => {
    const opened = stream();
    if (!isWatched) opened.on("error", () => {}); // Each write's own callback reports; the event would end the process.
    isWatched = true;
    return opened;
  };
  return {
    get isTTY() {
      return stream().isTTY === true;
    },
    get columns() {
      return stream().columns || 80;
    },
    get rows() {
      return stream().rows || 24;
    },
    write: (chunk) =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(new ClosedPipe());
        writeUnheard(opened(), chunk, (error) => {
          if (!error) return resolve();
          if (!("code" in error) || (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED")) {
            return reject(new GpuError(`cannot write the output: ${reasonOf(error)}`, { cause: error }));
          }
          isClosed = true;
          onClosedPipe();
          reject(new ClosedPipe());
        });
      }),
    onResize: (listener) => {
      const resized = opened().setMaxListeners(0); // Each of many logins at once may ask.
      resized.on("resize", listener);
      return { [Symbol.dispose]: () => void resized.off("resize", listener) };
    },
  };
}

function inputOf(process: NodeJS.Process): Input {
  return {
    get isTTY() {
      return process.stdin.isTTY === true && isForeground(process.platform);
    },
    async *read({ raw = false, signal } = {}) {
      const { stdin } = process;
      if (signal?.aborted || (stdin.isTTY && !isForeground(process.platform))) return;
      if (raw && stdin.isTTY) {
        return yield* keysOf(stdin, {
          signal,
          onRaw: () => raw === "both" && leaveOutputAlone(process.platform),
        });
      }
      const stop = () => void stdin.destroy();
      signal?.addEventListener("abort", stop, { once: true });
      try {
        for await (const chunk of stdin) yield chunk;
      } catch (error) {
        if (!signal?.aborted) throw error;
      } finally {
        signal?.removeEventListener("abort", stop);
      }
    },
  };
}

/** Keys as they are typed. The terminal stays open afterwards, so one question can follow another. */
async function* keysOf(
  stdin: NodeJS.ReadStream,
  { signal, onRaw }: { signal: AbortSignal | undefined; onRaw: () => void },
): AsyncGenerator<Uint8Array> {
  const typed: Uint8Array[] = [];
  let isOver = stdin.readableEnded;
  let wake = () => {};
  const onData = (keys: Uint8Array) => {
    typed.push(keys);
    wake();
  };
  const onEnd = () => {
    isOver = true;
    wake();
  };
  stdin.on("data", onData).on("end", onEnd).on("error", onEnd);
  signal?.addEventListener("abort", onEnd, { once: true });
  stdin.setRawMode(true);
  onRaw();
  stdin.resume();
  try {
    while (typed.length > 0 || !isOver) {
      const keys = typed.shift();
      if (keys) yield keys;
      else await new Promise<void>((resolve) => wake = resolve);
    }
  } finally {
    stdin.pause();
    stdin.off("data", onData).off("end", onEnd).off("error", onEnd);
    signal?.removeEventListener("abort", onEnd);
    try {
      stdin.setRawMode(false);
    } catch {
      // The terminal itself is gone: a window that was closed.
    }
  }
}

function dial({ host, port, signal, allowHalfOpen = false }: Parameters<World["dial"]>[0]): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const { connect } = process.getBuiltinModule("node:net");
    const socket = connect({ host, port, allowHalfOpen, noDelay: true, autoSelectFamily: true });
    const stop = () => socket.destroy(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      signal?.removeEventListener("abort", stop);
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

function spawnChild([command = "", ...args]: readonly string[], { stdin, stdout, stderr, ...options }: SpawnOptions) {
  // Loaded when it is needed: many a command starts no process and opens no connection.
  const { spawn } = process.getBuiltinModule("node:child_process");
  return spawn(command, args, { ...options, stdio: [stdin, stdout, stderr], windowsHide: true });
}
