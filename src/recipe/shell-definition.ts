import type { z } from "zod";
import type { Duration } from "../duration.ts";
import { GpuError, messageOf, UsageError } from "../errors.ts";
import { maskOf } from "../mask.ts";
import type { CallRecord } from "../surface/call.ts";
import type { RetryOptions } from "./again.ts";
import { findRun } from "./current.ts";
import type { ShellInput } from "./shell-input.ts";
import type { ShellPart } from "./shell-run.ts";

/** A command and what was said of it; of a pipe, of the whole of it. */
export interface Definition {
  readonly name: string;
  readonly parts: readonly ShellPart[];
  /** One for each place where the recipe wrote a part of it. */
  readonly records: readonly CallRecord[];
  readonly input?: ShellInput;
  readonly isQuiet?: boolean;
  /** What it prints is for the recipe: that it goes on is shown, once it takes a while. */
  readonly isRead?: boolean;
  readonly throws?: boolean;
  readonly time?: Duration;
  readonly retry?: RetryOptions;
  readonly tail?: number;
}

/** Two commands as one pipe. What was said of each holds for its part; what is said of the pipe comes behind it. */
export function joined(one: Definition, other: Definition): Definition {
  if (other.input !== undefined) {
    throw new UsageError("the second command of a pipe has a `stdin` already", {
      hint: "leave `.stdin(…)` away: it reads what the first one prints",
    });
  }
  if (one.retry !== undefined || other.retry !== undefined) {
    throw new UsageError("one command of a pipe cannot be tried again without the other", {
      hint: "put `.retry(…)` behind the pipe: `a.pipe(b).retry()`",
    });
  }
  return {
    name: one.name,
    parts: [...partsIn(one), ...partsIn(other)],
    records: [...one.records, ...other.records],
    ...(one.input === undefined ? {} : { input: one.input }),
    ...(one.isQuiet || other.isQuiet ? { isQuiet: true } : {}),
    ...(other.tail === undefined ? {} : { tail: other.tail }),
  };
}

/** The parts of a command that becomes a part of a pipe: what was said of it holds for them. */
function partsIn({ parts, throws, time }: Definition): ShellPart[] {
  return parts.map((part) => ({
    ...part,
    ...(throws === false ? { isForgiven: true } : {}),
    ...(time === undefined ? {} : { time }),
  }));
}

/** Text that a command printed, as JSON that fits the schema where there is one. */
export function jsonIn(text: string, { title, schema }: { title: string; schema: z.ZodType | undefined }): unknown {
  const value = parse(text, title);
  const result = schema?.safeParse(value);
  if (result === undefined) return value;
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : ` at \`${issue.path.join(".")}\``;
  throw new GpuError(`\`${title}\` printed JSON that does not fit${where}: ${issue?.message}`);
}

function parse(text: string, title: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GpuError(`\`${title}\` printed something that is not JSON: ${messageOf(cause)}`, { cause });
  }
}

/** What stands in a command line stands in every list of processes. */
export function refuseSecrets(command: string): void {
  const run = findRun();
  if (run === undefined || !maskOf(run.context.world.terminal).isIn(command)) return;
  throw new UsageError("a secret stands in a shell command, where every list of processes shows it", {
    hint: "`.env({ TOKEN: … })` or `.stdin(…)` hands it over unseen",
  });
}
