import type { World } from "../world.ts";

/** How often a request that may be repeated is tried. */
export const maxAttempts = 4;

const baseMs = 1_000;
const capMs = 30_000;
/** A server that asks for a longer pause than this gets its error shown at once. */
const maxRetryAfterMs = 300_000;

/** Full jitter: anything between nothing and the doubled base, so that many clients do not come back together. */
export function backoffMs(world: Pick<World, "random">, attempt: number): number {
  const [high = 0, low = 0] = world.random(2);
  return Math.min(capMs, baseMs * 2 ** (attempt - 1)) * ((high * 256 + low) / 65_536);
}

/** What `Retry-After` asks for, in milliseconds; `undefined` when it says nothing that can be followed. */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs;
  return ms >= 0 ? ms : undefined;
}

/** How long to wait before the next attempt; `undefined`: do not try again. */
export function pauseMs(
  world: Pick<World, "random" | "clock">,
  { attempt, attempts, retryAfter }: { attempt: number; attempts: number; retryAfter: string | null },
): number | undefined {
  if (attempt >= attempts) return undefined;
  const asked = retryAfterMs(retryAfter, world.clock.now());
  if (asked === undefined) return backoffMs(world, attempt);
  return asked > maxRetryAfterMs ? undefined : asked;
}

const slowDownBaseMs = 10_000;
const slowDownCapMs = 60_000;

/** How long everybody holds back after a 429: what the server asks for, else ten seconds, doubled each time. */
export function slowDownMs(
  world: Pick<World, "clock">,
  { attempt, retryAfter }: { attempt: number; retryAfter: string | null },
): number {
  const asked = retryAfterMs(retryAfter, world.clock.now()) ?? slowDownBaseMs * 2 ** (attempt - 1);
  return Math.min(asked, retryAfter === null ? slowDownCapMs : maxRetryAfterMs);
}
