import { UsageError } from "./errors.ts";

/** A span of time: milliseconds, or a number with its unit, `"90s"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** What text is a duration: `90s`, `10m`, `1h30m`. */
export const durationPattern = /^(\d+(\.\d+)?(ms|s|m|h|d))+$/;

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

/** Milliseconds since 1970 of a date, a time, or a span before `now`: `2026-01-31`, `2026-01-31T08:00:00Z`, `7d`. */
export function timeOf(text: string, now: number): number {
  if (durationPattern.test(text)) return now - durationMs(text);
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new UsageError(`\`${text}\` is not a time`, { hint: "a date like `2026-01-31`, or a span like `7d` or `12h`" });
}
