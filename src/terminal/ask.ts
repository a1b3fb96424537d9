import type { CANCEL_SYMBOL } from "@clack/prompts";
import { PassThrough, Writable } from "node:stream";
import { InterruptedError, UsageError } from "../errors.ts";
import type { Terminal } from "../world.ts";
import { safeText } from "../safe-text.ts";

/** A question, and how to answer it beforehand where nobody can be asked. */
export interface Question {
  readonly question: string;
  /** The flag that answers it: `--api-key`. */
  readonly flag: string;
  readonly signal?: AbortSignal;
}

export interface TextQuestion extends Question {
  /** What stands there already, to be changed. */
  readonly initial?: string;
  /** Shown while nothing is typed. */
  readonly placeholder?: string;
  /** Says what is wrong with an answer; the question then stays. */
  complain?(answer: string): string | undefined;
}

export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly says?: string;
}

/** Whether there is a person to ask. */
export function canAsk(terminal: Terminal): boolean {
  return terminal.stdin.isTTY && terminal.stderr.isTTY;
}

/** Asks in its turn: below the lines that are still being written, and with none of them in between. */
export async function askInTurn<T>(
  { around }: { around(write: () => Promise<void>): Promise<void> },
  ask: () => Promise<T>,
): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  await around(async () => resolve(await ask()));
  return await promise;
}

/** Asks yes or no on the terminal; no is the default. Only for a terminal: callers check `canAsk` first. */
export async function askYesNo(question: string, terminal: Terminal, signal?: AbortSignal): Promise<boolean> {
  const { confirm } = await import("@clack/prompts");
  const answer = await onTerminal(terminal, signal, (io) => confirm({ message: question, initialValue: false, ...io }));
  signal?.throwIfAborted();
  if (typeof answer === "symbol") throw new InterruptedError();
  return answer;
}

/** Asks for a line of text, which may be empty. */
export async function askText(terminal: Terminal, options: TextQuestion): Promise<string> {
  const { initial = "", placeholder, complain } = options;
  const { text } = await import("@clack/prompts");
  return await ask(terminal, options, (io) =>
    text({
      message: options.question,
      initialValue: initial,
      placeholder,
      validate: (answer) => complain?.((answer ?? "").trim()),
      ...io,
    })).then((answer) => (answer ?? "").trim());
}

interface SecretQuestion extends Omit<TextQuestion, "initial"> {
  /** Spaces at its ends are part of it. */
  readonly isExact?: boolean;
}

/** Asks for a secret, which is not shown while it is typed; it may be empty. */
export async function askSecret(terminal: Terminal, options: SecretQuestion): Promise<string> {
  const { complain, isExact = false } = options;
  const { password } = await import("@clack/prompts");
  return await ask(terminal, options, (io) =>
    password({
      message: options.question,
      validate: (answer) => complain?.((answer ?? "").trim()),
      ...io,
    })).then((answer = "") => isExact ? answer : answer.trim());
}

/** Asks for one of several. */
export async function askChoice<T extends string>(
  terminal: Terminal,
  options: Question & { readonly choices: readonly Choice<T>[]; readonly initial?: T },
): Promise<T> {
  const { select } = await import("@clack/prompts");
  const choices = options.choices.map(({ value, label, says }) => ({
    value: { value },
    label: oneLine(label),
    hint: says === undefined ? undefined : oneLine(says),
  }));
  const initial = choices.find(({ value }) => value.value === options.initial)?.value;
  const answer = await ask(terminal, options, (io) =>
    select({
      message: options.question,
      options: choices,
      initialValue: initial,
      maxItems: Math.max(5, terminal.stderr.rows - 6),
      showInstructions: false,
      ...io,
    }));
  return answer.value;
}

/** Choices come from servers, too: what they say moves no cursor. */
function oneLine(text: string): string {
  return safeText(text).replace(/[\n\t]+/g, " ");
}

interface Streams {
  readonly input: PassThrough;
  readonly output: Writable;
  readonly signal: AbortSignal;
}

/** The answer, or an `InterruptedError` when the person leaves with Ctrl-C or Escape. */
async function ask<T>(
  terminal: Terminal,
  { question, flag, signal }: Question,
  show: (io: Streams) => Promise<T | typeof CANCEL_SYMBOL>,
): Promise<T> {
  if (!canAsk(terminal)) {
    throw new UsageError(`nobody can be asked here: ${question}`, { hint: `\`${flag}\` answers it` });
  }
  const answer = await onTerminal(terminal, signal, show);
  signal?.throwIfAborted();
  if (typeof answer === "symbol") throw new InterruptedError();
  return answer;
}

/** Gives a question the keys as they are typed, until it is answered, the input ends or the signal fires. */
async function onTerminal<T>(
  terminal: Terminal,
  signal: AbortSignal | undefined,
  show: (io: Streams) => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  const input = new PassThrough();
  const reading = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal;
  const silent = new AbortController();
  // Nobody will answer any more once the keys are over and the last of them is read.
  let isAnswered = false;
  input.once("end", () => {
    if (!isAnswered) silent.abort();
  });
  const keys = pump(terminal, input, reading).finally(() => input.end());
  const { stderr } = terminal;
  const output = new Writable({
    write: (chunk: Uint8Array, _encoding, done) => void stderr.write(chunk).then(() => done(), done),
  });
  Object.assign(output, { columns: stderr.columns, rows: stderr.rows, isTTY: true });
  try {
    return await show({ input, output, signal: silent.signal });
  } finally {
    isAnswered = true;
    ended.abort();
    await keys;
  }
}

async function pump(terminal: Terminal, to: PassThrough, signal: AbortSignal): Promise<void> {
  for await (const chunk of terminal.stdin.read({ raw: true, signal })) {
    to.write(chunk);
    if (signal.aborted) return;
  }
}
