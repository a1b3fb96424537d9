import type { Target } from "../../http/request.ts";
import { keyHeaders } from "../job.ts";

/** ISO times of a key; an absent `expires`: it does not end. */
export interface KeyAge {
  readonly created: string | undefined;
  readonly expires: string | undefined;
}

const dayMs = 86_400_000;
/** From when on it is said, in days. */
const warnDays = { beforeEnd: 14, old: 365 };

/** What is to be said of a key that ends soon or is old; undefined where it is neither. `now` is in milliseconds since 1970. */
export function keyAgeWarning({ created, expires }: KeyAge, now: number): string | undefined {
  const leftDays = days(expires, (end) => end - now);
  const another = "`gpu ci key rotate` on the server makes another";
  if (leftDays !== undefined && leftDays <= warnDays.beforeEnd) {
    const when = leftDays < 0 ? "has ended" : leftDays < 1 ? "ends today" : `ends in ${countText(leftDays)}`;
    return `warning: the API key for the CI server ${when}; ${another}`;
  }
  const ageDays = days(created, (begin) => now - begin);
  if (ageDays === undefined || ageDays < warnDays.old) return undefined;
  return `warning: the API key for the CI server is ${countText(ageDays)} old; ${another}`;
}

/** Whole days; undefined where the server's time is none. */
function days(time: string | undefined, span: (ms: number) => number): number | undefined {
  const ms = Date.parse(time ?? "");
  return Number.isNaN(ms) ? undefined : Math.floor(span(ms) / dayMs);
}

function countText(count: number): string {
  return count === 1 ? "1 day" : `${count} days`;
}

interface WatchedKey {
  readonly world: Target["world"];
  readonly onKeyAge?: (age: KeyAge) => void;
}

/** The world, with an eye on what answers say of the key. */
export function watchingKeyAge({ world, onKeyAge }: WatchedKey): WatchedKey["world"] {
  if (onKeyAge === undefined) return world;
  let isSaid = false;
  return {
    env: world.env,
    clock: world.clock,
    random: world.random,
    async fetch(url, init) {
      const response = await world.fetch(url, init);
      const [created, expires] = [keyHeaders.created, keyHeaders.expires].map((name) =>
        response.headers.get(name) ?? undefined
      );
      if (!isSaid && (created !== undefined || expires !== undefined)) {
        isSaid = true;
        onKeyAge({ created, expires });
      }
      return response;
    },
  };
}
