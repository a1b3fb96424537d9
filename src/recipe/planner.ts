import { AsyncLocalStorage } from "node:async_hooks";
import type { Plan } from "../command.ts";
import { GpuError } from "../errors.ts";
import type { ShellOutput } from "./shell-output.ts";
import type { Instead, InsteadOf } from "../surface/api.ts";
import { PlannedOutput, type PlannedParts, plannedValue } from "./planned-value.ts";

/** What a run would do, in its order. */
export interface PlannedStep {
  /** As the recipe writes it: `gpu.start`, `box.$`. */
  readonly call: string;
  readonly action: string;
  /** The most it can cost, in US dollars; 0 where it costs nothing. */
  readonly costDollars: number;
}

/** Thrown where a recipe reads what is known only when it really runs. */
export class PlanEnds extends GpuError {
  override name = "PlanEnds";
}

/** Plans a run: what only looks is done, all else is written down and answered with a value of which nothing is known. */
export class Planner {
  readonly steps: PlannedStep[] = [];
  /** Why the plan ends before the recipe does. */
  end: PlanEnds | undefined;
  readonly #branches = new AsyncLocalStorage<{ end: PlanEnds | undefined }>();
  readonly #parts: PlannedParts = {
    add: (step) => this.#add(step),
    ends: (what) => this.#ends(what),
  };

  /** What a call returns in a plan; undefined where it is made, because it only looks. */
  async instead({ command, name, values, label, context }: InsteadOf): Promise<Instead | undefined> {
    if (command.effect === "read") return undefined;
    const asks = command.effect === "spend" || command.effect === "destroy";
    const plan: Plan | undefined = asks ? await command.plan?.(values, context) : undefined;
    const action = plan?.action ?? command.summary.charAt(0).toLowerCase() + command.summary.slice(1);
    this.#add({
      call: name,
      action: label === undefined ? action : `${label}: ${action}`,
      costDollars: plan?.costDollars ?? budgetOf(command.name, values) ?? 0,
    });
    // Another recipe may spend what nobody knows before it runs.
    if (command.name === "run" && budgetOf(command.name, values) === undefined) this.#ends(`what \`${name}\` spends`);
    return { kind: "value", value: plannedValue(`what \`${name}\` returns`, this.#parts) };
  }

  /** What a command of a shell returns in a plan. */
  shell({ name, title }: { readonly name: string; readonly title: string }): ShellOutput {
    this.#add({ call: name, action: title, costDollars: 0 });
    return new PlannedOutput((what) => this.#ends(`${what} of \`${title}\``));
  }

  /** Plans one of several pieces of work beside each other: where the plan of one ends, those of the others go on. */
  async branch<T>(work: () => Promise<T>): Promise<T> {
    const outer = this.#here();
    const own: { end: PlanEnds | undefined } = { end: undefined };
    try {
      return await this.#branches.run(own, work);
    } finally {
      outer.end ??= own.end;
    }
  }

  get costDollars(): number {
    return this.steps.reduce((sum, { costDollars }) => sum + costDollars, 0);
  }

  #add(step: PlannedStep): void {
    if (this.#here().end === undefined) this.steps.push(step);
  }

  #ends(what: string): never {
    const here = this.#here();
    here.end ??= new PlanEnds(`${what} is known only when it runs`, {
      hint: "what comes behind it is not in the plan",
    });
    throw here.end;
  }

  /** What the calling code is a part of. */
  #here(): { end: PlanEnds | undefined } {
    return this.#branches.getStore() ?? this;
  }
}

/** A recipe that runs another one gives it a budget: the most that one may spend, in US dollars. */
function budgetOf(command: string, values: Readonly<Record<string, unknown>>): number | undefined {
  return command === "run" && typeof values["budget"] === "number" ? values["budget"] : undefined;
}
