import type { Context } from "../command.ts";
import { InterruptedError, NotFoundError } from "../errors.ts";
import { followLog } from "../runs/read.ts";
import { findRun, type RunSummary } from "../runs/runs.ts";
import { RunView } from "../runs/view.ts";
import { safeText } from "../safe-text.ts";
import { costsOf, runIdOf } from "./show-run.ts";

/** Follows a run with the view of `gpu run`, until it ends or the person leaves it. */
export async function attachRun(
  start: string | undefined,
  context: Context,
): Promise<RunSummary & { readonly isLeft: boolean }> {
  const { world, globals, signal, note } = context;
  const id = runIdOf(start, context);
  const view = new RunView({
    terminal: globals.json ? { stdout: world.terminal.stderr, stderr: world.terminal.stderr } : world.terminal,
    clock: world.clock,
    costs: { costOf: await costsOf(context) },
    isColored: globals.color && world.terminal.stderr.isTTY,
    live: context.live,
    around: (write) => context.around(write),
    isQuiet: globals.quiet,
  });
  let isLeft = false;
  try {
    for await (const event of followLog(world, { id, signal })) {
      await view.apply(event);
      if (event.kind === "output" && event.step === null) await view.print(`${safeText(event.text)}\n`, event.stream);
      if (event.kind === "note") note(event.text);
      if (event.kind === "ended" && event.error !== null) note(`error: ${event.error}`);
      if (event.kind === "ended" && event.result !== null) await view.print(resultText(event.result), "stdout");
    }
  } catch (error) {
    if (!(signal.aborted && signal.reason instanceof InterruptedError && signal.reason.signal === "SIGINT")) {
      throw error;
    }
    isLeft = true;
  } finally {
    view.stop();
    await view.written();
  }
  const summary = await findRun(world, id);
  if (summary === undefined) throw new NotFoundError(`the log of the run ${id} cannot be read`);
  return { ...summary, isLeft };
}

/** As `gpu run` shows it. */
function resultText(result: unknown): string {
  if (typeof result === "string") return safeText(result);
  const isOnlySuccess = typeof result === "object" && result !== null &&
    Object.keys(result).every((key) => key === "success");
  return isOnlySuccess ? "" : JSON.stringify(result, null, 2);
}
