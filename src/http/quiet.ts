import type { Clock } from "../world.ts";

/** Says that nothing, or next to nothing, came for too long. */
export class QuietError extends Error {
  override name = "QuietError";
  readonly quietMs: number;

  constructor(quietMs: number, leastBytes = 1) {
    const span = `${Math.round(quietMs / 1000)} s`;
    super(leastBytes === 1 ? `nothing came for ${span}` : `less than ${leastBytes} bytes came in ${span}`);
    this.quietMs = quietMs;
  }
}

export interface QuietWatch extends Disposable {
  /** Fires with a `QuietError` after the silence, or with the outer signal's reason. */
  readonly signal: AbortSignal;
  /** Something came: where it is enough, the silence starts anew. */
  touch(byteCount?: number): void;
}

/**
 * A signal that fires when less than `leastBytes` came for `quietMs`, or when the outer signal fires. 0 waits for ever.
 */
export function watchQuiet(
  { clock, quietMs, leastBytes = 1, signal }: {
    clock: Clock;
    quietMs: number;
    leastBytes?: number;
    signal?: AbortSignal;
  },
): QuietWatch {
  const controller = new AbortController();
  const done = new AbortController();
  let lastMs = clock.monotonic();
  let bytes = 0;
  const forward = () => controller.abort(signal?.reason);
  if (signal?.aborted) forward();
  signal?.addEventListener("abort", forward, { once: true });
  const watch = async () => {
    while (!done.signal.aborted) {
      const leftMs = lastMs + quietMs - clock.monotonic();
      if (leftMs <= 0) return controller.abort(new QuietError(quietMs, leastBytes));
      await clock.sleep(leftMs, done.signal);
    }
  };
  // The only rejection is the end of the watch itself.
  if (quietMs > 0) watch().catch(() => {});
  return {
    signal: controller.signal,
    touch(byteCount = leastBytes) {
      bytes += byteCount;
      if (bytes < leastBytes) return;
      bytes = 0;
      lastMs = clock.monotonic();
    },
    [Symbol.dispose]() {
      signal?.removeEventListener("abort", forward);
      done.abort();
    },
  };
}
