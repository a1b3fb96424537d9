import type { Context } from "../command.ts";
import { oneName, stepFacts } from "../runs/lines.ts";
import { RunModel } from "../runs/model.ts";
import { followLog, readLog } from "../runs/read.ts";
import { clockText, firstLineOf } from "../runs/text.ts";
import type { RunEvent } from "../runs/events.ts";
import { costsOf, runIdOf } from "./show-run.ts";

/** One line of the log of a run, for people. */
export interface LogLine {
  readonly time: string;
  readonly kind: "output" | "note" | "step" | "ended";
  readonly step: string | null;
  readonly text: string;
}

/** What a run printed and did, a line each. */
export async function* logLines(
  start: string | undefined,
  { follow, context }: { follow: boolean; context: Context },
): AsyncGenerator<LogLine> {
  const { world, signal } = context;
  const id = runIdOf(start, context);
  const model = new RunModel();
  const costOf = await costsOf(context);
  const events = follow ? followLog(world, { id, signal }) : await readLog(world, id);
  for await (const event of events) {
    model.apply(event);
    const time = new Date(event.time).toISOString();
    for (const line of linesOf(event, model, costOf)) yield { time, ...line };
  }
}

function linesOf(
  event: RunEvent,
  model: RunModel,
  costOf: (token: string) => number | undefined,
): Omit<LogLine, "time">[] {
  const nameOf = (id: number) => oneName(model.steps.get(id)?.name ?? "?", 40);
  if (event.kind === "output") {
    const step = event.step === null ? null : nameOf(event.step);
    // `log` says the time itself where it is not on a terminal.
    const time = step === null && event.stream === "stderr" ? `${clockText(event.time)} ` : "";
    return event.text.split("\n").map((line) => ({
      kind: "output",
      step,
      text: line.startsWith(time) ? line.slice(time.length) : line,
    }));
  }
  if (event.kind === "note") return [{ kind: "note", step: null, text: event.text }];
  if (event.kind === "cut") {
    return [{ kind: "note", step: null, text: `… ${event.lines} older pieces of output are left out` }];
  }
  if (event.kind === "step-ended") {
    const step = model.steps.get(event.step);
    if (step === undefined) return [];
    const facts = stepFacts(step, { costOf, now: event.time }).join(" · ");
    const text = step.error === undefined
      ? `${nameOf(step.id)} · ${facts}`
      : `${nameOf(step.id)} failed · ${facts} · ${firstLineOf(step.error)}`;
    return [{ kind: "step", step: nameOf(step.id), text }];
  }
  if (event.kind !== "ended") return [];
  const why = event.error === null ? "" : `: ${firstLineOf(event.error)}`;
  return [{ kind: "ended", step: null, text: `ended with ${event.exitCode}${why}` }];
}
