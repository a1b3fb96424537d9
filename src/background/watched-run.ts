import type { Context } from "../command.ts";
import { warnBeforeEnd } from "../rent/lease-warning.ts";
import { type OpenRun, openRun } from "../rent/run.ts";
import { watchRun } from "./watch.ts";

/** A run that is watched: the background process learns of its death at once, and its leases are warned of. */
export async function openWatchedRun(
  context: Pick<Context, "world" | "journal" | "config" | "note">,
  { id, recipe }: { id: string; recipe: string | undefined },
): Promise<OpenRun> {
  const { world, note } = context;
  const run = await openRun(world, await context.journal(), { id, recipe });
  const watch = watchRun(world, run.id);
  const problem = await watch.known;
  if (problem !== undefined) {
    note(`warning: nothing watches this run (${problem}); should it be killed, the next \`gpu\` command cleans up`);
  }
  const others = new DisposableStack();
  if (recipe !== undefined) {
    others.use(warnBeforeEnd(context, { run: run.id }));
    if (world.hearSignals) others.use(world.hearSignals());
  }
  return {
    id: run.id,
    end(exitCode) {
      others.dispose();
      try {
        run.end(exitCode);
      } finally {
        // Only now: a connection that ends before the run has ended is a death.
        watch[Symbol.dispose]();
      }
    },
  };
}
