import type { Command, Context, Plan } from "./command.ts";
import { GpuError, UsageError } from "./errors.ts";

/**
 * Names what a command that spends or destroys would cost or lose, and asks. `--yes` answers; what costs nothing and
 * loses nothing never asks; where nobody can be asked it is a usage error that names the flag. Returns what was accepted.
 */
export async function confirmPlan(
  command: Command,
  input: Record<string, unknown>,
  context: Context,
): Promise<Plan | undefined> {
  if (command.effect !== "spend" && command.effect !== "destroy") return undefined;
  const plan = await command.plan?.(input, context);
  if (plan === undefined || context.globals.yes || !isWorthAsking(plan)) return undefined;
  const { askInTurn, askYesNo, canAsk } = await import("./terminal/ask.ts");
  const { terminal } = context.world;
  if (context.globals.json || !canAsk(terminal)) {
    throw new UsageError(`this would ${describePlan(plan)}, and nobody can be asked here`, {
      hint: "`--yes` says yes beforehand",
    });
  }
  context.progress(undefined);
  const question = `${sentence(describePlan(plan))}?`;
  if (await askInTurn(context, () => askYesNo(question, terminal, context.signal))) return plan;
  throw new GpuError("nothing was done: the answer was no");
}

function isWorthAsking({ costDollars = 0, loss }: Plan): boolean {
  return costDollars > 0 || loss !== undefined;
}

/** `rent gpu_1x_a10 for 4 h, at most $3.00`. */
export function describePlan({ action, costDollars, loss }: Plan): string {
  const cost = costDollars ? `, at most $${costDollars.toFixed(2)}` : "";
  return `${action}${cost}${loss ? `, which loses ${loss}` : ""}`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
