import { derive } from "../surface/child.ts";
import { CallLog, leftOpenError } from "./calls.ts";
import { type CurrentRun, inRun } from "./current.ts";

/** Runs work with calls and a signal of its own: they outlive the end of the recipe that asked for it. */
export async function besideRecipe(
  work: () => unknown,
  { run, signal }: { run: CurrentRun | undefined; signal: AbortSignal },
): Promise<void> {
  if (run === undefined) return void await work();
  const calls = new CallLog();
  const own = (outer: CurrentRun, context: CurrentRun["context"]): CurrentRun => {
    const scope: CurrentRun = {
      ...outer,
      context,
      track: (record, start) => calls.track(record, () => start(scope)),
      add: (record) => calls.add(record),
      within: (inner, branch) => own(outer.within(inner, branch), inner),
    };
    return scope;
  };
  await inRun(own(run, derive(run.context, { signal })), async () => await work());
  const open = calls.findLeftOpen();
  await calls.settled();
  if (open) throw leftOpenError(open);
}
