import { spanText } from "../duration.ts";
import { type Costs, oneName } from "./lines.ts";
import { depthOf, type RunModel, stepMs } from "./model.ts";
import { moneyText, timeText } from "./text.ts";

/** The end of a run with several steps: how many, how long, how much, what was kept and how to look at it again. */
export function summaryLines(model: RunModel, { id, now }: { id: string | undefined; now: number }): string[] {
  const { ended, stepCount, failedCount, interruptedCount } = model;
  const kept = (ended?.kept ?? []).map(({ id, until, why, pricePerHour }) =>
    `${id} is kept for ${spanText(until - now)} at $${pricePerHour.toFixed(2)}/h${why === null ? "" : ` (${why})`}; ` +
    `\`gpu ssh ${id}\` looks at it, \`gpu stop ${id}\` ends it`
  );
  if (stepCount < 2) return kept;
  const began = model.started?.time ?? now;
  const counts = [[failedCount, "failed"], [interruptedCount, "interrupted"]] as const;
  const failed = counts.map(([count, what]) => count > 0 ? `, ${count} ${what}` : "").join("");
  const money = (ended?.costDollars ?? 0) > 0 ? ` and ${moneyText(ended?.costDollars ?? 0)}` : "";
  const again = id === undefined ? "" : `; \`gpu runs show ${id}\` shows them`;
  return [`${stepCount} steps in ${timeText(now - began)}${money}${failed}${again}`, ...kept];
}

/** A step with its place in the time of its run. */
export interface ChartRow {
  readonly name: string;
  readonly timeMs: number;
  readonly costDollars: number | undefined;
  readonly bar: string;
}

const cells = 24;
const parts = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/** When each step began and how long it took, as bars below each other. */
export function chart(model: RunModel, { costOf, now }: Costs & { readonly now: number }): ChartRow[] {
  const from = model.started?.time ?? 0;
  const to = model.ended?.time ?? now;
  const span = Math.max(1, to - from);
  return [...model.steps.values()].map((step) => {
    const begin = Math.min(cells - 1, Math.floor(((step.startedAt - from) / span) * cells));
    const eighths = Math.max(1, Math.round((stepMs(step, to) / span) * cells * 8));
    const length = Math.min(eighths, (cells - begin) * 8);
    const bar = " ".repeat(begin) + "█".repeat(Math.floor(length / 8)) + (length % 8 > 0 ? parts[length % 8] : "");
    return {
      name: "  ".repeat(depthOf(model, step)) + oneName(step.name, 40),
      timeMs: stepMs(step, to),
      costDollars: step.rented.length === 0
        ? undefined
        : step.rented.reduce((sum, token) => sum + (costOf(token) ?? 0), 0),
      bar: bar.trimEnd(),
    };
  });
}
