import type { RunEvent, RunEventOf } from "./events.ts";

/** A step of a run as it stands. Times are milliseconds since 1970. */
export interface Step {
  readonly id: number;
  readonly parent: number | null;
  readonly name: string;
  /** Lines of its output that stay on the screen; null: as many as usual. */
  readonly tail: number | null;
  readonly startedAt: number;
  endedAt: number | undefined;
  /** What it failed with, or was ended by. */
  error: string | undefined;
  /** It was ended with its run, by a person. */
  isInterrupted: boolean;
  /** The last lines it printed. */
  readonly lastLines: string[];
  printedLines: number;
  /** What it waits for now; not in the log. */
  detail: string | undefined;
  /** Tokens of what it rented. */
  readonly rented: string[];
}

/** Of a step so many lines are kept. */
export const keptLines = 50;
/** So many steps that are over are remembered: a recipe may run for days. */
const keptSteps = 2000;

/** What a run has come to, from the events of its log. */
export class RunModel {
  readonly steps = new Map<number, Step>();
  /** How many steps there were in all. */
  stepCount = 0;
  failedCount = 0;
  interruptedCount = 0;
  started: RunEventOf<"started"> | undefined;
  ended: RunEventOf<"ended"> | undefined;
  /** Of everything that was rented, by token. */
  readonly pricePerHour = new Map<string, number>();
  lastTime: number | undefined;
  readonly #running = new Map<number, Step>();

  apply(event: RunEvent): void {
    this.lastTime = event.time;
    if (event.kind === "started") this.started = event;
    else if (event.kind === "ended") this.ended = event;
    else if (event.kind === "step") this.#begin(event);
    else if (event.kind === "step-ended") this.#end(event);
    else if (event.kind === "rented") {
      this.steps.get(event.step)?.rented.push(event.token);
      this.pricePerHour.set(event.token, event.pricePerHour);
    } else if (event.kind === "output" && event.step !== null) this.#print(event.step, event.text);
  }

  /** The steps that go on, in the order in which they began. */
  running(): readonly Step[] {
    return [...this.#running.values()];
  }

  #begin({ step: id, parent, name, tail, beganAt }: RunEventOf<"step">): void {
    const step: Step = {
      ...{ id, parent, name, tail, startedAt: beganAt, endedAt: undefined, error: undefined },
      ...{ isInterrupted: false, lastLines: [], printedLines: 0, detail: undefined, rented: [] },
    };
    this.stepCount += 1;
    this.steps.set(id, step);
    this.#running.set(id, step);
    if (this.steps.size > keptSteps) this.#forgetOne();
  }

  #end({ step: id, error, isInterrupted = false, time }: RunEventOf<"step-ended">): void {
    const step = this.steps.get(id);
    if (step === undefined) return;
    step.endedAt = time;
    step.error = error ?? undefined;
    step.isInterrupted = isInterrupted;
    if (isInterrupted) this.interruptedCount += 1;
    else if (error !== null) this.failedCount += 1;
    this.#running.delete(id);
  }

  #print(id: number, text: string): void {
    const step = this.steps.get(id);
    if (step === undefined) return;
    const lines = text.split("\n");
    step.printedLines += lines.length;
    step.lastLines.push(...lines.slice(-keptLines));
    step.lastLines.splice(0, Math.max(0, step.lastLines.length - keptLines));
  }

  #forgetOne(): void {
    for (const step of this.steps.values()) {
      if (step.endedAt === undefined || step.rented.length > 0) continue;
      this.steps.delete(step.id);
      return;
    }
  }
}

/** Milliseconds that a step has taken until now, or took. */
export function stepMs({ startedAt, endedAt }: Step, now: number): number {
  return Math.max(0, (endedAt ?? now) - startedAt);
}

/** How deep a step is in others. */
export function depthOf({ steps }: RunModel, step: Step): number {
  let depth = 0;
  for (let parent = step.parent; parent !== null && depth < 8; parent = steps.get(parent)?.parent ?? null) depth += 1;
  return depth;
}
