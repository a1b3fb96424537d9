import type { Context } from "../command.ts";
import { NotFoundError } from "../errors.ts";
import { costSoFar } from "../rent/lease.ts";
import { RunModel, type Step } from "../runs/model.ts";
import { readLog } from "../runs/read.ts";
import { findRun } from "../runs/runs.ts";
import { findRunId, loggedRuns } from "../runs/store.ts";
import { chart } from "../runs/summary.ts";

/** The id of a run by its beginning; of the last one when nothing is said. */
export function runIdOf(start: string | undefined, { world }: Pick<Context, "world">): string {
  if (start !== undefined) return findRunId(world, start);
  const [last] = loggedRuns(world);
  if (last !== undefined) return last;
  throw new NotFoundError("no run has a log", { hint: "`gpu run <file>` runs a recipe" });
}

/** What a launch has cost until now, from the journal. */
export async function costsOf(
  context: Pick<Context, "world" | "journal">,
): Promise<(token: string) => number | undefined> {
  const journal = await context.journal();
  return (token) => {
    const launch = journal.launch(token);
    return launch && costSoFar(launch, context.world.clock.now());
  };
}

/** A run with its steps. */
export async function showRun(start: string | undefined, context: Context) {
  const { world } = context;
  const id = runIdOf(start, context);
  const summary = await findRun(world, id);
  if (summary === undefined) throw new NotFoundError(`the log of the run ${id} cannot be read`);
  const model = new RunModel();
  for (const event of await readLog(world, id)) model.apply(event);
  const until = summary.endedAt === null ? world.clock.now() : Date.parse(summary.endedAt);
  const costOf = await costsOf(context);
  const rows = chart(model, { costOf, now: until });
  const steps = [...model.steps.values()].map((step, index) => ({
    name: rows[index]?.name ?? "",
    seconds: Math.round((rows[index]?.timeMs ?? 0) / 100) / 10,
    costDollars: rows[index]?.costDollars ?? null,
    state: stateOf(step),
    error: step.error ?? null,
    bar: rows[index]?.bar ?? "",
  }));
  const { started, ended } = model;
  return {
    ...summary,
    input: started?.input ?? null,
    budgetDollars: started?.budgetDollars ?? null,
    resumes: started?.resumes ?? null,
    error: ended?.error ?? null,
    result: ended?.result ?? null,
    steps,
  };
}

function stateOf({ endedAt, error, isInterrupted }: Step): "running" | "done" | "failed" | "interrupted" {
  if (endedAt === undefined) return "running";
  return isInterrupted ? "interrupted" : error === undefined ? "done" : "failed";
}
