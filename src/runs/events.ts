import { z } from "zod";

/** What a `Date` can be of: others are not what was written there. */
const Time = z.number().min(-8.64e15).max(8.64e15);

const Base = z.object({
  /** Counts from 1 in each run: what was cut out leaves a gap. */
  seq: z.number().int(),
  /** Milliseconds since 1970. */
  time: Time,
});

/** One line of a run's log. Money is in US dollars, times are milliseconds since 1970. */
export const RunEvent = z.discriminatedUnion("kind", [
  Base.extend({
    kind: z.literal("started"),
    recipe: z.string(),
    file: z.string(),
    /** A hash of the recipe and what it imports: says whether it was changed since. */
    content: z.string().nullable(),
    /** Its parameters, secrets masked. */
    input: z.unknown(),
    pid: z.number().int(),
    budgetDollars: z.number().nullable(),
    /** The run that it goes on from. */
    resumes: z.string().nullable(),
    isDetached: z.boolean(),
  }),
  Base.extend({
    kind: z.literal("step"),
    step: z.number().int(),
    parent: z.number().int().nullable(),
    name: z.string(),
    /** Before `time` where it was not known at first that there is something to say of it. */
    beganAt: Time,
    /** Lines of its output that stay on the screen; null: as many as usual. */
    tail: z.number().int().nullable(),
  }),
  Base.extend({
    kind: z.literal("step-ended"),
    step: z.number().int(),
    error: z.string().nullable(),
    /** Somebody ended the run: that it did not come to its end is no failure of the step. */
    isInterrupted: z.boolean().optional(),
  }),
  Base.extend({
    kind: z.literal("rented"),
    step: z.number().int(),
    /** What the recipe calls it: the label of the call, else the name of the instance, else the call and its number. */
    key: z.string(),
    token: z.string(),
    id: z.string(),
    pricePerHour: z.number(),
  }),
  Base.extend({
    kind: z.literal("output"),
    /** Null: the recipe itself printed it. */
    step: z.number().int().nullable(),
    stream: z.enum(["stdout", "stderr"]),
    /** Whole lines, without the last newline. */
    text: z.string(),
  }),
  Base.extend({ kind: z.literal("note"), text: z.string() }),
  Base.extend({ kind: z.literal("memo"), key: z.string(), value: z.unknown() }),
  /** Older output was left out here, to keep the log small. */
  Base.extend({ kind: z.literal("cut"), lines: z.number().int() }),
  Base.extend({
    kind: z.literal("ended"),
    exitCode: z.number().int(),
    error: z.string().nullable(),
    result: z.unknown(),
    costDollars: z.number(),
    kept: z.array(
      z.object({ id: z.string(), until: Time, why: z.string().nullable(), pricePerHour: z.number() }),
    ),
  }),
]);
export type RunEvent = z.output<typeof RunEvent>;

type Without<E> = E extends unknown ? Omit<E, "seq" | "time"> : never;

/** An event as it is told: the log counts and dates it. */
export type NewRunEvent = Without<RunEvent>;

/** Events of one kind. */
export type RunEventOf<K extends RunEvent["kind"]> = Extract<RunEvent, { kind: K }>;

/** One line of a log as an event; undefined where it is none, as the half line of a process that was killed. */
export function readEvent(line: string): RunEvent | undefined {
  try {
    return RunEvent.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
