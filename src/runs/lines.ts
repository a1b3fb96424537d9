import type { RunEvent } from "./events.ts";
import { depthOf, type RunModel, type Step, stepMs } from "./model.ts";
import { clockText, firstLineOf, lineText, moneyText, plainText, timeText } from "./text.ts";
import { paint } from "../paint.ts";

/** What a view needs to know of a run beside its events. */
export interface Costs {
  /** US dollars that what was rented under this token has cost until now; undefined where nobody knows. */
  costOf(token: string): number | undefined;
}

/** Lines that stay, of a step that was collapsed. */
const usualTail = 10;

/** `gpu.start · 12 s · $0.01` */
export function stepFacts(step: Step, { costOf, now }: Costs & { readonly now: number }): string[] {
  const cost = costText(step.rented, { costOf });
  return [timeText(stepMs(step, now)), ...(cost === undefined ? [] : [cost])];
}

/** What all this has cost; undefined where it was free. */
export function costText(tokens: readonly string[], { costOf }: Costs): string | undefined {
  const costs = tokens.flatMap((token) => costOf(token) ?? []).filter((cost) => cost > 0);
  return costs.length === 0 ? undefined : moneyText(costs.reduce((sum, cost) => sum + cost, 0));
}

/** The lines that an event adds to a log that people read: time and step, then what is said. */
export function plainLines(
  event: RunEvent,
  model: RunModel,
  costs: Costs,
  { saysWhy = true }: { readonly saysWhy?: boolean } = {},
): string[] {
  if (event.kind === "output" && event.step !== null) {
    const at = clockText(event.time);
    const name = nameOf(model, event.step);
    return event.text.split("\n").map((line) => `${at} ${name} | ${plainText(line)}`.trimEnd());
  }
  if (event.kind !== "step-ended") return [];
  const step = model.steps.get(event.step);
  if (step === undefined) return [];
  const at = clockText(event.time);
  const facts = stepFacts(step, { ...costs, now: event.time }).join(" · ");
  if (step.error === undefined) return [`${at} ${nameOf(model, step.id)} · ${facts}`];
  if (step.isInterrupted) return [`${at} ${nameOf(model, step.id)} interrupted · ${facts}`];
  const why = saysWhy ? ` · ${plainText(firstLineOf(step.error))}` : "";
  return [`${at} ${nameOf(model, step.id)} failed · ${facts}${why}`];
}

/** Who watches a terminal sees a step that is over as one line, and the end of what it printed. */
export function closedLines(
  step: Step,
  { model, costs, now, columns, isColored }: {
    model: RunModel;
    costs: Costs;
    now: number;
    columns: number;
    isColored: boolean;
  },
): string[] {
  const indent = "  ".repeat(depthOf(model, step));
  const facts = stepFacts(step, { ...costs, now }).join(" · ");
  const mark = step.error === undefined ? paint("green", "✓", isColored) : paint("red", "✗", isColored);
  const failed = step.error === undefined
    ? ""
    : `  ${step.isInterrupted ? "interrupted" : lineText(firstLineOf(step.error))}`;
  // A name gives way before time and cost do, and what failed may take more than one line.
  const cells = Math.max(20, Math.min(60, columns - Bun.stringWidth(`${indent}✓   ${facts}`) - 1));
  const head = `${indent}${mark} ${oneName(step.name, cells)}  ${paint("dim", facts, isColored)}${failed}`;
  const count = step.tail !== null && step.error === undefined ? 0 : Math.min(step.tail ?? usualTail, usualTail);
  const shown = count === 0 ? [] : step.lastLines.slice(-count);
  const left = step.printedLines - shown.length;
  const more = left > 0 && shown.length > 0 ? [`… ${left} ${left === 1 ? "line" : "lines"} before`] : [];
  return [
    head,
    ...more.map((line) => `${indent}  ${paint("dim", line, isColored)}`),
    ...shown.map((line) => `${indent}  ${isColored ? lineText(line) : plainText(line)}`),
  ];
}

/** A name in few cells and on one line. */
export function oneName(name: string, cells = 60): string {
  const line = plainText(name.replace(/\s+/g, " "));
  return Bun.stringWidth(line) <= cells ? line : `${Bun.sliceAnsi(line, 0, cells - 1)}…`;
}

function nameOf(model: RunModel, id: number): string {
  const step = model.steps.get(id);
  return step === undefined ? "?" : oneName(step.name, 40);
}
