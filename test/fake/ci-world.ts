import { spawn } from "node:child_process";
import { connect } from "node:net";
import type { Clock, World } from "../../src/world.ts";

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now = Date.UTC(2026, 0, 2, 3, 4, 5);
  readonly #timers = new Set<{ due: number; ring: () => void }>();
  /** Every pause that was asked for, in order. */
  readonly pauses: number[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.pauses.push(ms);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = { due: this.#now + ms, ring: () => resolve() };
      this.#timers.add(timer);
      signal?.addEventListener("abort", () => {
        this.#timers.delete(timer);
        reject(signal.reason);
      }, { once: true });
    });
  }

  /** Moves on to the moment when the next pause no longer than `upTo` ends. Returns whether there was one. */
  next({ upTo }: { upTo: number }): boolean {
    const timer = [...this.#timers].filter(({ due }) => due - this.#now <= upTo).toSorted((a, b) => a.due - b.due)[0];
    if (!timer) return false;
    this.#timers.delete(timer);
    this.#now = Math.max(this.#now, timer.due);
    timer.ring();
    return true;
  }

  /** Lets work go on until it is done, by ending each pause up to `upTo` as soon as everything waits for one. */
  async run<T>(work: Promise<T>, { upTo = 30_000 - 1 }: { upTo?: number } = {}): Promise<T> {
    let isDone = false;
    const watched = work.finally(() => isDone = true);
    watched.catch(() => {});
    while (!isDone) {
      for (let turn = 0; turn < 5 && !isDone; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (!isDone && !this.next({ upTo })) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return await watched;
  }
}

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      }, { once: true });
    }),
};

/** A world with the real network and real processes, and with whatever a test puts in its place. */
export function ciWorld(given: Partial<World> & { home: string }): World {
  const silent = {
    isTTY: false,
    columns: 80,
    rows: 24,
    write: () => Promise.resolve(),
    onResize: () => ({ [Symbol.dispose]() {} }),
  };
  return {
    env: { PATH: process.env.PATH, HOME: given.home },
    platform: process.platform,
    arch: process.arch,
    cwd: given.home,
    folders: { config: `${given.home}/config`, state: `${given.home}/state`, cache: `${given.home}/cache` },
    self: [process.execPath],
    clock: realClock,
    terminal: { stdin: { isTTY: false, async *read() {} }, stdout: silent, stderr: silent },
    random: (byteCount) => crypto.getRandomValues(new Uint8Array(byteCount)),
    fetch: (url, init) => fetch(url, init),
    dial: ({ host, port }) => Promise.resolve(connect(port, host)),
    spawn: ([program = "", ...args], { stdin, stdout, stderr, ...options }) =>
      spawn(program, args, { ...options, stdio: [stdin, stdout, stderr] } as never),
    ...given,
  };
}

/** A value that a test knows to be there. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("what the test needs is not there");
  return value;
}
