import { libcOf } from "./libc.ts";

/** What the thread that listens for a spinning main thread is told. */
export interface SpinOrder {
  /** The first number changes as long as the main thread comes back to its event loop; the second ends the watch. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  /** The C library of this process. */
  readonly library: string;
}

const beatMs = 200;

/**
 * While the main thread spins in code that never comes back, no handler runs: from a second on, SIGINT, SIGTERM and
 * SIGHUP then end the process as the system does by default, and the reaper gives back what it rented. As soon as the
 * thread comes back, the handlers are as they were. `undefined` where the C library cannot be called.
 */
export function hearSignals(platform: NodeJS.Platform): Disposable | undefined {
  const library = libcOf(platform);
  if (library === undefined) return undefined;
  const beats = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL("./spin.worker.ts", import.meta.url).href);
  // Without it, all is as on a system that has no such thread.
  worker.onerror = (event) => event.preventDefault();
  worker.postMessage({ beats, library } satisfies SpinOrder);
  const beating = setInterval(() => void Atomics.add(beats, 0, 1), beatMs);
  beating.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(beating);
      Atomics.store(beats, 1, 1);
      Atomics.notify(beats, 1);
    },
  };
}
