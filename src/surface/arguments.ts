import type { z } from "zod";
import type { Command, Globals } from "../command.ts";
import { UsageError } from "../errors.ts";
import { globalParams, toGlobals } from "./globals.ts";
import type { Param } from "./param.ts";
import { readParams } from "./params.ts";
import { fromEnvironment, fromText } from "./text.ts";

/** What a command line means, or that its help is asked for. */
export type Arguments =
  | { readonly kind: "help" }
  | { readonly kind: "run"; readonly input: Record<string, unknown>; readonly globals: Globals };

/** The words of a command line, sorted. */
export interface Words {
  /** Values of flags, by their names in camel case. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly operands: readonly string[];
  /** What stands behind `--`, where the command takes that. */
  readonly behind: readonly string[] | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The parameters of a command, with the global ones that it has none of its own for. */
export function paramsOf(command: Command): { own: readonly Param[]; shared: readonly Param[] } {
  const own = readParams(command.input);
  return { own, shared: globalParams.filter(({ key }) => !own.some((param) => param.key === key)) };
}

/** The words where none of them is a flag, which nothing needs to be loaded for; undefined where one may be. */
export function plainWords(command: Command, argv: readonly string[]): Words | undefined {
  const { own } = paramsOf(command);
  const { before, behind } = splitAtDashes(own, argv);
  // What is passed through begins with the first operand.
  const read = own.some(({ place }) => place === "passThrough") ? before.slice(0, 1) : before;
  return read.some((word) => word.startsWith("-")) ? undefined : { flags: {}, operands: before, behind };
}

/** What the words mean to `command`. Throws `UsageError`. */
export function toArguments(command: Command, words: Words | "help", env: Environment): Arguments {
  if (words === "help") return { kind: "help" };
  const { own, shared } = paramsOf(command);
  const params = [...own, ...shared];
  const raw = {
    ...fromEnvironment(params, env),
    ...fromFlags(params, words.flags),
    ...fromPlaces(command, own, words.operands),
  };
  const rest = own.find(({ place }) => place === "rest");
  if (rest && words.behind !== undefined) raw[rest.key] = words.behind;
  return {
    kind: "run",
    input: validate(command.input, own, raw),
    globals: toGlobals(pick(raw, shared)),
  };
}

/** Throws `UsageError` in the words of `params`. */
function validate<T extends z.ZodObject>(
  schema: T,
  params: readonly Param[],
  raw: Record<string, unknown>,
): z.output<T> {
  const result = schema.safeParse(raw, { jitless: true }); // once for each command: not worth compiling a parser
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const param = params.find(({ key }) => key === issue?.path[0]);
  const shown = param === undefined ? undefined : nameOf(param);
  if (param && raw[param.key] === undefined) {
    throw new UsageError(`${shown} is missing`, { hint: hintOf(param) });
  }
  throw new UsageError(`${shown ?? "the input"} ${issue ? complaint(issue) : "is not valid"}`, {
    hint: hintOf(param),
  });
}

type Issue = z.core.$ZodIssue;

/** What is wrong with a value, as the end of a sentence. */
function complaint(issue: Issue): string {
  if (issue.code === "too_small" && issue.origin === "number") {
    return `must be ${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`;
  }
  if (issue.code === "too_big" && issue.origin === "number") {
    return `must be ${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
  }
  // A schema with words of its own keeps them; zod's are about schemas.
  if (issue.code === "too_small" && issue.message.startsWith("Too small: ")) {
    return issue.minimum === 1 ? "must not be empty" : `must have at least ${issue.minimum} ${partsOf(issue)}`;
  }
  if (issue.code === "too_big" && issue.message.startsWith("Too big: ")) {
    return `must have at most ${issue.maximum} ${partsOf(issue)}`;
  }
  if (issue.code === "invalid_type" && issue.expected === "int") return "must be a whole number";
  if (issue.code === "invalid_value") {
    return `must be one of ${issue.values.map((value) => `\`${String(value)}\``).join(", ")}`;
  }
  return `is not valid: ${issue.message}`;
}

function partsOf({ origin }: { readonly origin: string }): string {
  return origin === "string" ? "characters" : "values";
}

/** At `--`, where the command takes what is behind it. */
export function splitAtDashes(
  own: readonly Param[],
  argv: readonly string[],
): { before: readonly string[]; behind?: readonly string[] } {
  const dashes = argv.indexOf("--");
  if (dashes < 0 || !own.some(({ place }) => place === "rest")) return { before: argv };
  return { before: argv.slice(0, dashes), behind: argv.slice(dashes + 1) };
}

function fromFlags(params: readonly Param[], options: Record<string, unknown>): Record<string, unknown> {
  const raw: Record<string, unknown> = {};
  for (const param of params.filter(({ place }) => place === "flag")) {
    for (const name of [param.flag, ...param.aliases]) {
      const value = options[camelCase(name)];
      if (value === undefined || (param.type === "boolean" && value === (param.default ?? false))) continue;
      raw[param.key] = typeof value === "boolean" ? value : fromText(param, value, nameOf(param));
    }
  }
  return raw;
}

function fromPlaces(command: Command, own: readonly Param[], operands: readonly string[]): Record<string, unknown> {
  const raw: Record<string, unknown> = {};
  const left = [...operands];
  for (const param of own.filter(({ place }) => place === "positional")) {
    if (left.length === 0) break;
    const isList = param.type === "strings" || param.type === "numbers";
    raw[param.key] = fromText(param, isList ? left.splice(0) : left.shift(), nameOf(param));
  }
  const passThrough = own.find(({ place }) => place === "passThrough");
  if (passThrough) raw[passThrough.key] = left.splice(0);
  if (left.length > 0) throw tooMany(command, own, left);
  return raw;
}

function tooMany(command: Command, own: readonly Param[], left: readonly string[]): UsageError {
  const rest = own.some(({ place }) => place === "rest");
  return new UsageError(`\`gpu ${command.name}\` does not take \`${left.join(" ")}\``, {
    hint: rest
      ? `what is run there goes behind two dashes: \`gpu ${command.name} … -- ${left.join(" ")}\``
      : `\`gpu ${command.name} --help\` shows how it is used`,
  });
}

/** What `param` is for, as a hint. */
export function hintOf(param: Param | undefined): string | undefined {
  if (!param?.description) return undefined;
  return param.place === "rest"
    ? `behind two dashes: \`-- …\`, the ${param.description}`
    : `${nameOf(param)}: ${param.description}`;
}

/** A parameter as a person types it. */
export function nameOf(param: Param): string {
  return param.place === "flag" ? `\`--${param.default === true ? "no-" : ""}${param.flag}\`` : `\`<${param.flag}>\``;
}

function pick(raw: Record<string, unknown>, params: readonly Param[]): Record<string, unknown> {
  return Object.fromEntries(params.filter(({ key }) => raw[key] !== undefined).map(({ key }) => [key, raw[key]]));
}

function camelCase(flag: string): string {
  return flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
