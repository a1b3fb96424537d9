import type { Context } from "../command.ts";
import { GpuError, NotFoundError } from "../errors.ts";
import { sendSignal } from "../processes.ts";
import { isOpen } from "../rent/rows.ts";
import { factsOf, findRun, type RunSummary } from "../runs/runs.ts";
import { isBeingWritten } from "../runs/store.ts";
import { runIdOf } from "./show-run.ts";

const pollMs = 100;
/** How long it is waited for: a cloud takes its time to take an instance back. */
const patienceMs = 120_000;

/** Ends a run, and resolves when it has ended and none of its instances is left but what it kept. */
export async function cancelRun(
  { run: start, force }: { run: string; force: boolean },
  context: Context,
): Promise<RunSummary> {
  const { world, signal, progress } = context;
  const id = runIdOf(start, context);
  const facts = await factsOf(world, id);
  if (facts === undefined) throw new NotFoundError(`the log of the run ${id} cannot be read`);
  // The lock says that the process lives, and the process that holds it wrote down its pid.
  if (facts.isAlive) sendSignal(facts.started.pid, force ? "SIGKILL" : "SIGINT");
  progress(`waiting for the end of ${facts.started.recipe}`);
  const deadline = world.clock.now() + patienceMs;
  while (await isBeingWritten(world, id) || await ownsInstances(context, id)) {
    if (world.clock.now() >= deadline) {
      throw new GpuError(`the run ${id} has not ended in ${patienceMs / 1000} s`, {
        hint: `\`gpu runs cancel ${id} --force\` kills it; \`gpu status\` shows what is rented`,
      });
    }
    await world.clock.sleep(pollMs, signal);
  }
  progress(undefined);
  const ended = await findRun(world, id);
  if (ended === undefined) throw new NotFoundError(`the log of the run ${id} cannot be read`);
  return ended;
}

async function ownsInstances(context: Context, run: string): Promise<boolean> {
  const journal = await context.journal();
  return journal.launches({ open: true, run }).some((launch) => isOpen(launch) && launch.owner === "run");
}
