import type { Context, Plan } from "../command.ts";
import { GpuError } from "../errors.ts";
import { describePlan, describeRent, type RunBudget } from "./budget.ts";

/** Counts what a call costs against the budget; where that does not cover it, a person at the terminal may say yes. */
export async function askForMore(
  budget: RunBudget,
  action: { readonly name: string; readonly plan: Plan },
  context: Context,
): Promise<() => void> {
  try {
    const release = budget.allow(action);
    if ((action.plan.costDollars ?? 0) > 0) context.note(describeRent(action, budget));
    return release;
  } catch (error) {
    const { canAsk, askYesNo } = await import("../terminal/ask.ts");
    const { world: { terminal }, globals, signal, around } = context;
    if (globals.json || !canAsk(terminal)) throw error;
    let isAllowed = false;
    const question = `${describePlan(action, budget)} Go on?`;
    // Two at once ask one after the other, below what is on the screen.
    await around(async () => {
      isAllowed = await askYesNo(question, terminal, signal);
    });
    if (!isAllowed) throw new GpuError(`\`${action.name}\` did nothing: the answer was no`, { cause: error });
    return budget.accept(action);
  }
}
