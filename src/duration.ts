import { UsageError } from "./errors.ts";

// `${number}` would let spaces in: `"5 "` is a number to TypeScript. A zero in front is no `bigint`, so it is written out.
/** A whole number as text: `"5"`, `"05"`. */
type Whole = `${bigint}` | `0${bigint}`;
/** A number as text: `"5"`, `"0.5"`. */
type Amount = Whole | `${bigint}.${Whole}`;

/** A span of time as text: `"90s"`, `"1h30m"`. The largest unit first. */
export type DurationText =
  | `${Amount}${"ms" | "s" | "m" | "h" | "d"}`
  | `${bigint}d${Whole}h`
  | `${bigint}d${Whole}h${Whole}m`
  | `${bigint}h${Whole}m`
  | `${bigint}h${Whole}m${Whole}s`
  | `${bigint}m${Amount}s`;

/**
 * A span of time: text with units, `"90s"`, `"1h30m"`, `"0.5s"`; or a number of milliseconds, for one that is computed:
 * `minutes * 60_000`.
 */
export type Duration = number | DurationText;

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** What text is a duration: `90s`, `10m`, `1h30m`. */
export const durationPattern = /^(\d+(\.\d+)?(ms|s|m|h|d))+$/;

/** A duration that is more than nothing: `0s` is none. */
export const positiveDurationPattern = new RegExp(`(?=.*[1-9])${durationPattern.source}`);

/** Milliseconds of a duration. */
export function durationMs(duration: Duration | string): number {
  if (typeof duration === "number" && duration >= 0) return duration;
  if (typeof duration === "string" && durationPattern.test(duration)) {
    const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
    return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (isUnit(unit) ? unitsMs[unit] : 0), 0);
  }
  throw new UsageError(`\`${duration}\` is not a duration`, {
    hint: "milliseconds as a number, or text like `90s`, `10m`, `1h30m`",
  });
}

function isUnit(word: string | undefined): word is keyof typeof unitsMs {
  return word !== undefined && word in unitsMs;
}

/** Minutes as people say them: `29 min`, `4 h 00 min`. */
export function minutesText(minutes: number): string {
  const whole = Math.max(0, Math.floor(minutes));
  return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h ${String(whole % 60).padStart(2, "0")} min`;
}

/** What launching takes does not make 29 minutes of a lease of 30: so little is not counted, in milliseconds. */
const trifleMs = 5_000;

/** A span as people say it, rounded down, and never to nothing: `45 s` below two minutes, then `29 min`, `4 h 00 min`. */
export function spanText(ms: number): string {
  if (ms < 120_000) return `${ms <= 0 ? 0 : Math.max(1, Math.floor(ms / 1000))} s`;
  return minutesText((ms + trifleMs) / 60_000);
}

/** Minutes until a lease ends, for programs: 0 only when it is over, so rounded up. Times are milliseconds since 1970. */
export function minutesUntil(end: number, now: number): number {
  return Math.max(0, Math.ceil((end - now) / 60_000));
}

/** A moment on the clock on the wall here, to the second: `2026-01-31 08:00:00`. `time` is milliseconds since 1970. */
export function localTimeText(time: number): string {
  const at = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Milliseconds since 1970 of a date, a time, or a span before `now`: `2026-01-31`, `2026-01-31T08:00:00Z`, `7d`. */
export function timeOf(text: string, now: number): number {
  if (durationPattern.test(text)) return now - durationMs(text);
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new UsageError(`\`${text}\` is not a time`, { hint: "a date like `2026-01-31`, or a span like `7d` or `12h`" });
}
