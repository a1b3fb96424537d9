import { z } from "zod";
import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";

/** Something that can be looked at without changing it. */
export interface Check {
  /** One word, or a few joined by `-`. */
  readonly name: string;
  /** One finding, or one for each thing of its kind. What it throws is a finding too. */
  run(context: Context, signal: AbortSignal): Promise<Finding | readonly Finding[]>;
}

/** What is not as it should be says what to do about it. */
export type Finding = Found & ({ readonly status: "ok"; readonly fix?: string } | Trouble);

interface Found {
  readonly detail: string;
  /** Which of several: the name of the provider. */
  readonly of?: string;
}

interface Trouble {
  readonly status: "warn" | "fail";
  readonly fix: string;
}

const statuses = ["ok", "warn", "fail"] as const;

/** A finding as `gpu doctor` shows it. */
export const CheckResult = z.object({
  check: z.string().describe("what was looked at"),
  status: z.enum(statuses).describe("`warn`: works, but look at it; `fail`: something will not work"),
  detail: z.string().describe("what was found"),
  fix: z.string().nullable().describe("what to do"),
});
export type CheckResult = z.output<typeof CheckResult>;

const limitMs = 5_000;

/** Runs checks side by side, none for longer than five seconds. The results keep the checks' order. */
export async function runChecks(context: Context, checks: readonly Check[]): Promise<CheckResult[]> {
  const results = await Promise.all(checks.map(async (check) => {
    const found = await findings(context, check);
    return found.map(({ of, status, detail, fix }) => ({
      check: of === undefined ? check.name : `${check.name} ${of}`,
      status,
      detail,
      fix: fix ?? null,
    }));
  }));
  context.signal.throwIfAborted();
  return results.flat();
}

async function findings(context: Context, check: Check): Promise<readonly Finding[]> {
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const late = context.world.clock.sleep(limitMs, signal).then((): Finding => ({
    status: "warn",
    detail: `no answer in ${limitMs / 1000} s`,
    fix: `\`gpu doctor ${check.name}\` asks again`,
  }), () => failed(new Error("interrupted"), check));
  try {
    const found = await Promise.race([check.run(context, signal).catch((error) => failed(error, check)), late]);
    return isList(found) ? found : [found];
  } finally {
    ended.abort();
  }
}

function failed(error: unknown, { name }: Check): Finding {
  const hint = error instanceof GpuError ? error.hint : undefined;
  return { status: "fail", detail: messageOf(error), fix: hint ?? `\`gpu doctor ${name} --verbose\` shows more` };
}

// `Array.isArray` alone does not narrow a readonly array.
function isList(found: Finding | readonly Finding[]): found is readonly Finding[] {
  return Array.isArray(found);
}
