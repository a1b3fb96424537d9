import { type Duration, durationMs } from "../duration.ts";
import { type Size, sizeBytes } from "../size.ts";

/**
 * Milliseconds of a span of time. Throws a `UsageError` for text that is none.
 *
 * ```ts
 * const endsAt = Date.now() + duration("1h30m");
 * ```
 */
export function duration(span: Duration): number {
  return durationMs(span);
}

/**
 * Bytes of an amount of data: `kB`, `MB`, `GB`, `TB` count in thousands, `KiB`, `MiB`, `GiB`, `TiB` in 1024s. Throws a
 * `UsageError` for text that is none.
 *
 * ```ts
 * if ((await stat("model.bin")).size > size("16GiB")) throw new Error("the model is too large");
 * ```
 */
export function size(amount: Size): number {
  return sizeBytes(amount);
}
