import type { Clock } from "../world.ts";

/** Says that nothing came for too long. */
export class QuietError extends Error {
  override name = "QuietError";
  readonly quietMs: number;

  constructor(quietMs: number) {
    super(`nothing came for ${Math.round(quietMs / 1000)} s`);
    this.quietMs = quietMs;
  }
}

export interface QuietWatch extends Disposable {
  /** Fires with a `QuietError` after the silence, or with the outer signal's reason. */
  readonly signal: AbortSignal;
  /** Something came: the silence starts anew. */
  touch(): void;
}

/** A signal that fires when nothing was touched for `quietMs`, or when the outer signal fires. 0 waits for ever. */
export function watchQuiet(
  { clock, quietMs, signal }: { clock: Clock; quietMs: number; signal?: AbortSignal },
): QuietWatch {
  const controller = new AbortController();
  const done = new AbortController();
  let lastMs = clock.monotonic();
  const forward = () => controller.abort(signal?.reason);
  if (signal?.aborted) forward();
  signal?.addEventListener("abort", forward, { once: true });
  const watch = async () => {
    while (!done.signal.aborted) {
      const leftMs = lastMs + quietMs - clock.monotonic();
      if (leftMs <= 0) return controller.abort(new QuietError(quietMs));
      await clock.sleep(leftMs, done.signal);
    }
  };
  // The only rejection is the end of the watch itself.
  if (quietMs > 0) watch().catch(() => {});
  return {
    signal: controller.signal,
    touch: () => void (lastMs = clock.monotonic()),
    [Symbol.dispose]() {
      signal?.removeEventListener("abort", forward);
      done.abort();
    },
  };
}
