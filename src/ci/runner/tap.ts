import type { TestCounts } from "../job.ts";

interface Level {
  points: number;
  planned: number | undefined;
  /** Points of the level below, which the next point here sums up. */
  hasInner: boolean;
}

/** How deep subtests are looked at. */
const maxDepth = 20;
const maxLineLength = 10_000;

/**
 * Counts tests in TAP (https://testanything.org/tap-version-14-specification.html) as it is written. A point that sums
 * up a subtest is not counted beside the subtest's own. A test that is planned and does not come has failed.
 */
export class TapCounter {
  readonly #counts = { passed: 0, failed: 0, skipped: 0 };
  #levels: Level[] = [];
  #rest = "";
  #isTap = false;
  #isSure: boolean;

  /** With `needsVersion` nothing counts before a line `TAP version`: the text may be anything. */
  constructor({ needsVersion }: { needsVersion: boolean }) {
    this.#isSure = !needsVersion;
  }

  write(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, maxLineLength);
    for (const line of lines) this.#line(line.slice(0, maxLineLength));
  }

  /** What was counted; undefined where nothing was TAP. */
  end(): TestCounts | undefined {
    this.#line(this.#rest);
    this.#rest = "";
    if (!this.#isTap) return undefined;
    const [top] = this.#levels;
    const missing = Math.min((top?.planned ?? 0) - (top?.points ?? 0), 1_000_000);
    return { ...this.#counts, failed: this.#counts.failed + Math.max(0, missing) };
  }

  #line(line: string): void {
    if (/^TAP version 1[34]\s*$/.test(line)) this.#isSure = true;
    if (!this.#isSure) return;
    const plan = /^( *)1\.\.(\d{1,9})\s*(#.*)?$/.exec(line);
    if (plan) {
      this.#isTap = true;
      const level = this.#levelAt(plan[1] ?? "");
      if (level) level.planned = Number(plan[2]);
      return;
    }
    if (/^Bail out!/.test(line)) this.#counts.failed++;
    const point = /^( *)(not )?ok\b(.*)$/.exec(line);
    if (!point) return;
    const level = this.#levelAt(point[1] ?? "");
    if (!level) return;
    this.#isTap = true;
    level.points++;
    const isSum = level.hasInner;
    level.hasInner = false;
    const [outer] = this.#levels.slice(-2);
    if (this.#levels.length > 1 && outer) outer.hasInner = true;
    if (!isSum) this.#counts[outcomeOf(point[2] !== undefined, point[3] ?? "")]++;
  }

  /** The level of a line by its indent, four spaces each. Levels below it are over. */
  #levelAt(indent: string): Level | undefined {
    const depth = Math.floor(indent.length / 4);
    if (depth > maxDepth) return undefined;
    const isInside = this.#levels.length > depth + 1;
    this.#levels = this.#levels.slice(0, depth + 1);
    while (this.#levels.length <= depth) this.#levels.push({ points: 0, planned: undefined, hasInner: false });
    const level = this.#levels[depth];
    if (isInside && level) level.hasInner = true;
    return level;
  }
}

function outcomeOf(isNotOk: boolean, rest: string): keyof TestCounts {
  // `\#` is no directive. What is still to be done may fail and is no failure.
  const directive = /(?:^|[^\\])#\s*(skip|todo)/i.exec(rest);
  if (directive) return isNotOk || directive[1]?.toLowerCase() === "skip" ? "skipped" : "passed";
  return isNotOk ? "failed" : "passed";
}
