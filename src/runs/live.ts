import { fitted } from "../terminal/fit.ts";
import { type Costs, costText, oneName, stepFacts } from "./lines.ts";
import { depthOf, type RunModel, type Step } from "./model.ts";
import { lineText, plainText, timeText } from "./text.ts";
import { paint } from "../paint.ts";

const spinner = [..."⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"];
/** How long each picture of the spinner stands, in milliseconds. */
export const spinnerMs = 120;
/** Lines of output below a step that goes on. */
const usualTail = 5;

interface FrameOptions {
  readonly model: RunModel;
  readonly costs: Costs;
  readonly now: number;
  readonly columns: number;
  readonly rows: number;
  readonly isColored: boolean;
}

/** What stands at the bottom of the screen while a run goes on: its steps of now, what they print, time and cost. */
export function liveLines(options: FrameOptions): string[] {
  const { model, costs, now, columns, rows, isColored } = options;
  const running = model.running();
  if (running.length === 0) return [];
  // One row stays for the cursor, one for the line that says what is waited for, and half of the screen to read what was.
  const room = Math.max(1, Math.min(rows - 3, Math.max(6, Math.floor(rows * 0.6))));
  const total = totalLine(options, running.length);
  const forSteps = Math.max(1, room - total.length);
  const shown = running.length <= forSteps ? running : running.slice(0, Math.max(1, forSteps - 1));
  const hidden = running.length - shown.length;
  let spare = Math.max(0, forSteps - shown.length - (hidden > 0 ? 1 : 0));
  const picture = spinner[Math.floor(now / spinnerMs) % spinner.length] ?? "";
  const lines = shown.flatMap((step) => {
    const indent = "  ".repeat(depthOf(model, step));
    const facts = paint("dim", stepFacts(step, { ...costs, now }).join(" · "), isColored);
    const detail = step.detail === undefined ? "" : `  ${withoutName(step, plainText(step.detail))}`;
    const head = `${indent}${paint("cyan", picture, isColored)} ${oneName(step.name)}  ${facts}${detail}`;
    const tail = tailOf(step, spare);
    spare -= tail.length;
    return [head, ...tail.map((line) => `${indent}  ${isColored ? lineText(line) : plainText(line)}`)];
  });
  const more = hidden > 0 ? [`… ${hidden} more`] : [];
  return [...lines, ...more, ...total].map((line) => fitted(line, columns - 1));
}

/** What a step with a label waits for begins with that label, which stands there already. */
function withoutName({ name }: Step, detail: string): string {
  const text = detail.startsWith(`${name}: `) ? detail.slice(name.length + 2) : detail;
  return text.replaceAll("\n", " ");
}

function tailOf(step: Step, spare: number): string[] {
  const count = Math.min(step.tail ?? usualTail, spare);
  return count <= 0 ? [] : step.lastLines.slice(-count);
}

/** Time and cost of the whole, where there is more to say than the one step does. */
function totalLine({ model, costs, now, isColored }: FrameOptions, runningCount: number): string[] {
  if (model.stepCount < 2) return [];
  const done = model.stepCount - runningCount;
  const began = model.started?.time ?? model.running()[0]?.startedAt ?? now;
  const cost = costText([...model.pricePerHour.keys()], costs);
  const failed = model.failedCount > 0 ? [`${model.failedCount} failed`] : [];
  const facts = [
    `${done} of ${model.stepCount} done`,
    ...failed,
    timeText(now - began),
    ...(cost === undefined ? [] : [cost]),
  ];
  return [paint("dim", facts.join(" · "), isColored)];
}
