import { closeSync, openSync, readSync, statSync } from "node:fs";
import { z } from "zod";
import type { World } from "../world.ts";
import { readEvent, type RunEvent, type RunEventOf } from "./events.ts";
import { isBeingWritten, loggedRuns, logPath } from "./store.ts";

/** A run as lists show it. */
export const RunSummary = z.object({
  id: z.string().describe("id of the run"),
  recipe: z.string().describe("recipe that was run"),
  state: z.enum(["running", "done", "failed", "interrupted", "died"]).describe(
    "died: its process was killed, and what it rented was given back by others",
  ),
  exitCode: z.number().int().nullable().describe("exit code, null while it runs and where it died"),
  startedAt: z.iso.datetime().describe("when it began"),
  endedAt: z.iso.datetime().nullable().describe(
    "when it ended, null while it runs; where it died, when it last said something",
  ),
  seconds: z.number().describe("how long it took, or takes until now"),
  costDollars: z.number().nullable().describe(
    "what it rented has cost until its end, in US dollars; null while it runs",
  ),
  kept: z.array(z.object({
    id: z.string().describe("instance"),
    until: z.iso.datetime().describe("when its lease ends"),
    why: z.string().nullable().describe("why it outlives the run"),
  })).describe("instances that it kept"),
  isDetached: z.boolean().describe("whether it runs in the background"),
});
export type RunSummary = z.output<typeof RunSummary>;

/** All that is needed of a run's log to tell how it stands. */
export interface RunFacts {
  readonly id: string;
  readonly started: RunEventOf<"started">;
  readonly last: RunEvent;
  readonly isAlive: boolean;
}

/** The runs that have a log, the newest first. */
export async function listRuns(world: Pick<World, "folders" | "clock">): Promise<RunSummary[]> {
  const found: RunFacts[] = [];
  for (const id of loggedRuns(world)) {
    const facts = await factsOf(world, id);
    if (facts) found.push(facts);
  }
  return found.map((facts) => summaryOf(facts, world.clock.now()))
    .toSorted((one, other) => other.startedAt.localeCompare(one.startedAt));
}

/** How one run stands. Undefined where its log says nothing. */
export async function findRun(world: Pick<World, "folders" | "clock">, id: string): Promise<RunSummary | undefined> {
  const facts = await factsOf(world, id);
  return facts && summaryOf(facts, world.clock.now());
}

/** Of a log of any size, its beginning and its end say how the run stands. */
export async function factsOf(world: Pick<World, "folders">, id: string): Promise<RunFacts | undefined> {
  // First whether it is alive: what it wrote before it ended is then there to read.
  const isAlive = await isBeingWritten(world, id);
  const { head, tail } = endsOf(logPath(world, id));
  const started = head.map(readEvent).find((event) => event !== undefined);
  const last = tail.toReversed().map(readEvent).find((event) => event !== undefined);
  if (started?.kind !== "started" || last === undefined) return undefined;
  return { id, started, last, isAlive };
}

function summaryOf({ id, started, last, isAlive }: RunFacts, now: number): RunSummary {
  const ended = last.kind === "ended" ? last : undefined;
  const until = ended?.time ?? (isAlive ? now : last.time);
  return {
    id,
    recipe: started.recipe,
    state: stateOf(ended, isAlive),
    exitCode: ended?.exitCode ?? null,
    startedAt: new Date(started.time).toISOString(),
    endedAt: ended || !isAlive ? new Date(until).toISOString() : null,
    seconds: Math.round((until - started.time) / 100) / 10,
    costDollars: ended?.costDollars ?? null,
    kept: (ended?.kept ?? []).map(({ id, until, why }) => ({ id, until: new Date(until).toISOString(), why })),
    isDetached: started.isDetached,
  };
}

function stateOf(ended: RunEventOf<"ended"> | undefined, isAlive: boolean): RunSummary["state"] {
  if (ended === undefined) return isAlive ? "running" : "died";
  if (ended.exitCode === 0) return "done";
  return [129, 130, 143].includes(ended.exitCode) ? "interrupted" : "failed";
}

const endBytes = 64 * 2 ** 10;

/** The first and the last lines of a file. */
function endsOf(path: string): { head: string[]; tail: string[] } {
  const { size } = statSync(path);
  const handle = openSync(path, "r");
  try {
    const read = (from: number) => {
      const buffer = Buffer.alloc(Math.min(size, endBytes));
      return buffer.subarray(0, readSync(handle, buffer, 0, buffer.length, from)).toString().split("\n");
    };
    return { head: read(0).slice(0, 3), tail: read(Math.max(0, size - endBytes)).slice(-64) };
  } finally {
    closeSync(handle);
  }
}
