import { expect, test } from "bun:test";
import { localTimeText, minutesUntil, spanText } from "../../src/duration.ts";

test.each([
  [1, "1 s"],
  [999, "1 s"],
  [59_999, "59 s"],
  [60_000, "60 s"],
  [119_999, "119 s"],
  [120_000, "2 min"],
  // What launching takes does not make 29 minutes of 30.
  [30 * 60_000 - 2_000, "30 min"],
  [30 * 60_000 - 6_000, "29 min"],
  [4 * 3_600_000, "4 h 00 min"],
  [0, "0 s"],
  [-5, "0 s"],
])("%p ms are %p", (ms, text) => {
  expect(spanText(ms)).toBe(text);
});

test("no minutes are left only when a lease is over", () => {
  expect([-1, 0, 1, 59_000, 60_000, 60_001].map((left) => minutesUntil(1000 + left, 1000))).toEqual([0, 0, 1, 1, 1, 2]);
});

test("times are shown as the clock on the wall shows them", () => {
  const before = process.env.TZ;
  try {
    process.env.TZ = "Asia/Kolkata";
    expect(localTimeText(Date.UTC(2026, 0, 31, 20, 0, 5))).toBe("2026-02-01 01:30:05");
    process.env.TZ = "America/New_York";
    expect(localTimeText(Date.UTC(2026, 6, 4, 2, 0, 0))).toBe("2026-07-03 22:00:00");
  } finally {
    process.env.TZ = before ?? "Etc/UTC";
  }
});
