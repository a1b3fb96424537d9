import { UsageError } from "./errors.ts";

/** A span of time: milliseconds, or a number with its unit, `"90s"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h"}`;

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of a duration. */
export function durationMs(duration: Duration): number {
  if (typeof duration === "number" && duration >= 0) return duration;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(duration)) ?? [];
  if (amount !== undefined && isUnit(unit)) return Number(amount) * unitsMs[unit];
  throw new UsageError(`\`${duration}\` is not a duration`, {
    hint: "milliseconds as a number, or text like `90s`, `10m`, `1.5h`",
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
