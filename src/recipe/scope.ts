import type { Context } from "../command.ts";
import { type ApiScope, type ApiTree, createApi, type Instead, type InsteadOf } from "../surface/api.ts";
import type { CallRecord } from "../surface/call.ts";
import { derive } from "../surface/child.ts";
import type { RunBudget } from "./budget.ts";
import { BudgetQuestions } from "./budget-question.ts";
import type { CallLog } from "./calls.ts";
import { type CommandDisplay, type CurrentRun, currentRun, inRun, type ShownCommand } from "./current.ts";
import { maskedWriter, maskOf } from "./masked.ts";
import type { Memory } from "./memory.ts";
import type { Owned } from "./owned.ts";
import type { Planner } from "./planner.ts";
import type { NewStep, RunRecord } from "./record.ts";
import type { RunSettings } from "./session.ts";

/** What the code of a run works with. */
export interface ScopeParts {
  readonly calls: CallLog;
  readonly owned: Owned;
  /** Undefined: nothing is written down, and output is shown as it comes. */
  readonly record: RunRecord | undefined;
  readonly memory: Memory | undefined;
  readonly planner: Planner | undefined;
  readonly keepsOnFailure: boolean;
  budget(): RunBudget;
  /** Plans the whole run, where a person is to be asked for it; undefined where that cannot be done. */
  readonly plan: RunSettings["plan"];
  /** The run that this one is a part of. */
  readonly outer: CurrentRun | undefined;
  declare(): void;
}

/** The run as its own code sees it: each call is a step, and what is called inside of one belongs to it. */
export function openScope(context: Context, parts: ScopeParts): CurrentRun {
  // Asked anew at each call: inside of `parallel` the context is another one.
  const questions = new BudgetQuestions({ plan: parts.plan });
  let api: ApiTree | undefined;
  return scopeIn({
    ...parts,
    context,
    questions,
    step: null,
    api: () => api ??= createApi(context.entries, currentRun),
  });
}

interface Place extends ScopeParts {
  readonly context: Context;
  readonly questions: BudgetQuestions;
  /** The step that the code belongs to. */
  readonly step: number | null;
  /** The item of `parallel` that it works on. */
  readonly branch?: string | undefined;
  /** Made when a command is called for the first time. */
  readonly api: () => ApiTree;
}

function scopeIn(place: Place): CurrentRun {
  const { api, calls, owned, context, record, memory, planner, keepsOnFailure } = place;
  return {
    context,
    get api() {
      return api();
    },
    keepsOnFailure,
    planner,
    masked: (text) => maskOf(context.world.terminal).text(text),
    track: (call, start) => calls.track(call, () => trackedStep(call, start, place)),
    add: (call) => calls.add(call),
    allow: (action) => allowIn(place, action),
    own: (handle) => owned.add(handle),
    declare: () => place.declare(),
    show: (command) => record ? stepDisplay(record, command, place) : plainDisplay(context),
    say(line) {
      record?.print(`${line}\n`, "stderr");
      if (!record?.takesPrints) context.around(() => context.world.terminal.stderr.write(`${line}\n`)).catch(() => {});
    },
    step: (key, work) =>
      memory
        ? memory.once(key, {
          record,
          note: context.note,
          work: () => asStep({ name: key, parent: place.step }, place, work),
        })
        : asStep({ name: key, parent: place.step }, place, work),
    within: (inner, branch) =>
      scopeIn({ ...place, context: inner, branch: [place.branch, branch].filter(Boolean).join(" ") || undefined }),
    instead: (call) => instead(call, place),
  };
}

/** Counts what a call costs against the budget of the run, and of each that it is a part of. */
async function allowIn(
  { budget, questions, context, outer }: Place,
  action: Parameters<ApiScope["allow"]>[0],
): Promise<() => void> {
  const release = await questions.allow(budget(), action, context);
  try {
    const releaseOuter = await outer?.allow(action);
    return () => {
      release();
      releaseOuter?.();
    };
  } catch (error) {
    release();
    throw error;
  }
}

/** Undefined at once where the call is made as ever. */
function instead(call: InsteadOf, place: Place): Promise<Instead | undefined> | undefined {
  const { planner, memory } = place;
  if (planner) return planner.instead(call);
  const key = memory?.keyOf(call, place.step);
  return memory && key !== undefined ? takeOver(key, { call, memory, place }) : undefined;
}

async function takeOver(
  key: string,
  { call, memory, place }: { call: InsteadOf; memory: Memory; place: Place },
): Promise<Instead | undefined> {
  const { step, record } = place;
  const output = await memory.takeOver(key, { call, allow: (action) => allowIn(place, action) });
  if (output === undefined) return undefined;
  if (record && step !== null && output.token !== null) await record.rented(step, { key, token: output.token });
  return { kind: "output", output };
}

/** A call that is shown, as a step of the run. */
async function trackedStep<T>(call: CallRecord, start: (scope: ApiScope) => Promise<T>, place: Place): Promise<T> {
  const isShown = !call.isQuiet && (call.label !== undefined || /^(?:gpu|box)\.(?!\$|exec)/.test(call.name));
  if (!isShown || place.record === undefined) return await start(scopeIn(place));
  const { label, name, isMinor } = call;
  return await asStep(
    { name: label ?? inBranch(place, name), parent: place.step, isMinor },
    place,
    async (scope, step) => {
      const value = await start(scope);
      const token = call.isMinor ? undefined : tokenOf(value);
      const { record, memory } = place;
      const key = memory?.takeKey(step) ?? label ?? name;
      if (record && token !== undefined && !record.knows(token)) await record.rented(step, { key, token });
      return value;
    },
  );
}

async function asStep<T>(
  step: NewStep,
  place: Place,
  work: (scope: CurrentRun, step: number) => Promise<T>,
): Promise<T> {
  const { record, context } = place;
  if (record === undefined) return await work(scopeIn(place), 0);
  const id = record.begin(step);
  let isOver = false;
  // An instance that was started in a step is stopped long after it.
  const progress = (text: string | undefined) =>
    record.isLive && !isOver ? record.detail(id, text) : context.progress(text);
  const scope = scopeIn({ ...place, step: id, context: derive(context, { progress }) });
  try {
    const value = await inRun(scope, () => work(scope, id));
    await record.end(id);
    return value;
  } catch (error) {
    await record.end(id, error);
    throw error;
  } finally {
    isOver = true;
  }
}

/** A step that the author gave no label is told from those of the other items by its own. */
function inBranch({ branch }: Place, name: string): string {
  return branch === undefined ? name : `${branch}: ${name}`;
}

/** What was rented, as `gpu.start` returns it, is known by its launch token. */
function tokenOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("token" in value) || !("pricePerHour" in value)) {
    return undefined;
  }
  return typeof value.token === "string" ? value.token : undefined;
}

function stepDisplay(
  record: RunRecord,
  { title, tail, label, isRead }: ShownCommand,
  place: Place,
): CommandDisplay {
  const step = record.begin({ name: label ?? inBranch(place, title), tail, parent: place.step, isRead });
  return {
    write: (chunk, stream) => record.output(step, stream, chunk),
    end(outcome) {
      const failed = "exitCode" in outcome && outcome.exitCode !== 0 && !outcome.isForgiven
        ? new Error(`exited with ${outcome.exitCode}`)
        : undefined;
      void record.end(step, "error" in outcome ? outcome.error : failed).catch(() => {});
    },
  };
}

/** Output as it comes; under `--json` stdout is for the result alone. */
function plainDisplay({ world: { terminal }, globals }: Context): CommandDisplay {
  const mask = maskOf(terminal);
  const shown = {
    stdout: maskedWriter(globals.json ? terminal.stderr : terminal.stdout, mask),
    stderr: maskedWriter(terminal.stderr, mask),
  };
  return {
    write: (chunk, stream) => shown[stream].write(chunk),
    end() {
      for (const { flush } of [shown.stdout, shown.stderr]) flush().catch(() => {});
    },
  };
}
