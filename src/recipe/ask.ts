import { UsageError } from "../errors.ts";
import { maskOf } from "../mask.ts";
import type { canAsk, Choice } from "../terminal/ask.ts";
import { openTurns } from "../terminal/turns.ts";
import { currentRun } from "./current.ts";
import { waitedFor } from "./waiting.ts";

/** What every question takes. */
export interface AskOptions<T> {
  /** The answer where nobody can be asked, and what a person gets by Enter alone. */
  readonly default?: T;
  /** The flag of the recipe that answers beforehand, for the error where nobody can be asked: `"--name"`. */
  readonly flag?: string;
}

/** Of a question for text. */
export interface AskTextOptions extends AskOptions<string> {
  /** What is wrong with an answer, in words; the question then stays. */
  readonly check?: (answer: string) => string | undefined;
}

/** Questions to the person at the terminal, one at a time. */
export interface Ask {
  /** Asks for a line of text. */
  (question: string, options?: AskTextOptions): Promise<string>;
  /** Asks for one of several. */
  choice<const T extends string>(question: string, choices: readonly T[], options?: AskOptions<NoInfer<T>>): Promise<T>;
  /** Asks yes or no. `--yes` is a yes. */
  confirm(question: string, options?: AskOptions<boolean>): Promise<boolean>;
  /** Asks for something that is not shown while it is typed, and is shown as stars wherever it is printed later. */
  secret(question: string, options?: Omit<AskOptions<string>, "default">): Promise<string>;
}

/**
 * Asks the person at the terminal. Where nobody can be asked (no terminal, `--json`, a detached run) the `default` is
 * taken; without one it is a `UsageError` that says what answers beforehand. Ctrl-C at a question ends the run.
 *
 * ```ts
 * const name = await ask("What is the experiment called?", { flag: "--name" });
 * const type = await ask.choice("Which GPU?", ["gpu_1x_a10", "gpu_1x_h100"], { default: "gpu_1x_a10" });
 * if (!await ask.confirm("Delete the old checkpoints?")) return;
 * const token = await ask.secret("Token for the registry");
 * ```
 */
export const ask: Ask = Object.assign(askText, { choice, confirm, secret });

function askText(question: string, options: AskTextOptions = {}): Promise<string> {
  return put("ask", { question, ...options }, async ({ terminal, signal, flag }) => {
    const asking = await import("../terminal/ask.ts");
    const { default: initial, check } = options;
    return await asking.askText(terminal, { question, flag, signal, initial, complain: check });
  });
}

function choice<const T extends string>(
  question: string,
  choices: readonly T[],
  options: AskOptions<NoInfer<T>> = {},
): Promise<T> {
  if (choices.length === 0) throw new UsageError("`ask.choice` was given nothing to choose from");
  return put("ask.choice", { question, ...options }, async ({ terminal, signal, flag }) => {
    const asking = await import("../terminal/ask.ts");
    const shown = choices.map((value): Choice<T> => ({ value, label: value }));
    return await asking.askChoice<T>(terminal, { question, flag, signal, choices: shown, initial: options.default });
  });
}

function confirm(question: string, options: AskOptions<boolean> = {}): Promise<boolean> {
  const { yes } = currentRun().context.globals;
  const known = yes ? { default: true, isAnswered: true } : {};
  return put("ask.confirm", { question, ...options, hint: "`--yes` says yes", ...known }, async (at) => {
    const asking = await import("../terminal/ask.ts");
    return await asking.askYesNo(question, at.terminal, at.signal);
  });
}

function secret(question: string, options: Omit<AskOptions<string>, "default"> = {}): Promise<string> {
  return put("ask.secret", { question, ...options, hint: "`secrets.get(…)` reads one that is kept" }, async (at) => {
    const asking = await import("../terminal/ask.ts");
    const answer = await asking.askSecret(at.terminal, { question, flag: at.flag, signal: at.signal });
    maskOf(at.terminal).add(answer);
    return answer;
  });
}

interface Asked<T> extends AskOptions<T> {
  readonly question: string;
  /** What answers it where no flag of the recipe does. */
  readonly hint?: string;
  /** The default is the answer, whoever could be asked. */
  readonly isAnswered?: boolean;
}

interface Where {
  readonly terminal: Parameters<typeof canAsk>[0];
  readonly signal: AbortSignal;
  readonly flag: string;
}

/** Two questions at once would read each other's keys. */
const inTurn = openTurns();

function put<T>(name: string, asked: Asked<T>, show: (where: Where) => Promise<T>): Promise<T> {
  const { context } = currentRun();
  const { world: { terminal }, globals, signal } = context;
  return waitedFor(name, async () => {
    const { default: fallback, flag, question, hint } = asked;
    if (asked.isAnswered && fallback !== undefined) return fallback;
    const asking = await import("../terminal/ask.ts");
    if (globals.json || !asking.canAsk(terminal)) {
      if (fallback !== undefined) return fallback;
      throw new UsageError(`nobody can be asked here: ${question}`, {
        hint: flag ? `\`${flag}\` answers it` : hint ?? "make it a parameter of the recipe, or give it a `default`",
      });
    }
    context.progress(undefined);
    const answers: T[] = [];
    await inTurn(() =>
      context.around(async () => {
        signal.throwIfAborted();
        answers.push(await show({ terminal, signal, flag: flag ?? "a parameter of the recipe" }));
      })
    );
    const [answer] = answers;
    if (answer === undefined) throw new Error("a question ended without an answer");
    return answer;
  });
}
