import type { Context, Plan } from "../command.ts";
import { GpuError } from "../errors.ts";
import { openTurns } from "../terminal/turns.ts";
import { describeAll, describePlan, describeRent, type RunBudget } from "./budget.ts";
import type { RunPlan } from "./plan-view.ts";

interface Action {
  readonly name: string;
  readonly plan: Plan;
}

/** Where the budget of a run does not cover what a call costs, a person at the terminal may say yes. */
export class BudgetQuestions {
  readonly #makePlan: ((context: Context) => Promise<RunPlan | undefined>) | undefined;
  readonly #inTurn = openTurns();
  #isPlanned = false;
  #isRefused = false;

  /** `plan` says what the whole run would do, so that it is asked for at once; without it each call is asked for. */
  constructor({ plan }: { plan?: ((context: Context) => Promise<RunPlan | undefined>) | undefined }) {
    this.#makePlan = plan;
  }

  /** Counts what a call costs. What is returned takes that back. */
  async allow(budget: RunBudget, action: Action, context: Context): Promise<() => void> {
    try {
      return counted(budget, action, context);
    } catch (error) {
      const { canAsk } = await import("../terminal/ask.ts");
      const { world: { terminal }, globals } = context;
      // `--yes` alone leaves it open what is spent; where there is a budget as well, that holds.
      if (globals.json || globals.yes || !canAsk(terminal)) throw error;
      let release = () => {};
      // Two at once ask one after the other; the answer to the first may be one to the second.
      await this.#inTurn(async () => {
        release = await this.#ask(budget, action, context);
      });
      return release;
    }
  }

  async #ask(budget: RunBudget, action: Action, context: Context): Promise<() => void> {
    const { costDollars = 0 } = action.plan;
    if (this.#isRefused) throw refusal(action);
    if (budget.covers(costDollars)) return counted(budget, action, context);
    const plan = await this.#planOnce(context);
    // What a plan does not foresee is asked for by itself.
    if (plan === undefined || !budget.covers(costDollars, plan.costDollars)) {
      await this.#askFor(action, context, { question: `${describePlan(action, budget)} Go on?` });
      return budget.accept(action);
    }
    await this.#askFor(action, context, { plan, question: describeAll(plan, budget) });
    budget.raise(plan.costDollars);
    return counted(budget, action, context);
  }

  async #planOnce(context: Context): Promise<RunPlan | undefined> {
    if (this.#isPlanned || this.#makePlan === undefined) return undefined;
    this.#isPlanned = true;
    context.progress("planning the run");
    return await this.#makePlan(context).finally(() => context.progress(undefined));
  }

  async #askFor(
    action: Action,
    { world: { terminal }, globals, signal, around }: Context,
    { question, plan }: { question: string; plan?: RunPlan },
  ): Promise<void> {
    const { askYesNo } = await import("../terminal/ask.ts");
    // Until it is answered, and where it never is.
    this.#isRefused = true;
    const shown = plan === undefined
      ? ""
      : await costsIn(plan, { columns: terminal.stderr.columns, color: globals.color });
    let isAllowed = false;
    await around(async () => {
      if (shown !== "") await terminal.stderr.write(shown);
      isAllowed = await askYesNo(question, terminal, signal);
    });
    if (!isAllowed) throw refusal(action);
    this.#isRefused = false;
  }
}

/** What of a plan costs, and the most that is. */
async function costsIn(
  { plan, ...rest }: RunPlan,
  { columns, color }: { columns: number; color: boolean },
): Promise<string> {
  const { planView } = await import("./plan-view.ts");
  const { render } = await import("../terminal/render.ts");
  const view = planView({ ...rest, plan: plan.filter(({ costDollars }) => costDollars > 0) });
  return render(view, { isTTY: true, columns, color }).map(({ chunk }) => String(chunk)).join("");
}

function counted(budget: RunBudget, action: Action, { note }: Context): () => void {
  const release = budget.allow(action);
  if ((action.plan.costDollars ?? 0) > 0) note(describeRent(action, budget));
  return release;
}

function refusal({ name }: Action): GpuError {
  return new GpuError(`\`${name}\` did nothing: the answer was no`);
}
