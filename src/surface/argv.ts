import { Command as Commander, CommanderError, Option } from "commander";
import type { z } from "zod";
import type { Command, Globals } from "../command.ts";
import { UsageError } from "../errors.ts";
import { globalParams, toGlobals } from "./globals.ts";
import type { Param } from "./param.ts";
import { readParams } from "./params.ts";
import { didYouMean } from "./suggest.ts";
import { fromEnvironment, fromText, numberPattern } from "./text.ts";

export type Arguments =
  | { readonly kind: "help" }
  | { readonly kind: "run"; readonly input: Record<string, unknown>; readonly globals: Globals };

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads `argv`, which follows the command's own words, as flags and positionals of `command` and the global flags. */
export function parseArguments(command: Command, argv: readonly string[], env: Environment): Arguments {
  const own = readParams(command.input);
  const shared = globalParams.filter(({ key }) => !own.some((param) => param.key === key));
  const params = [...own, ...shared];
  const { before, behind } = splitAtDashes(own, argv);
  const parsed = parseWithCommander(command, params, before);
  if (parsed === "help") return { kind: "help" };

  const raw = {
    ...fromEnvironment(params, env),
    ...fromFlags(params, parsed.options),
    ...fromPlaces(command, own, parsed.operands),
  };
  const rest = own.find(({ place }) => place === "rest");
  if (rest && behind !== undefined) raw[rest.key] = behind;
  return {
    kind: "run",
    input: validate(command.input, own, raw),
    globals: toGlobals(pick(raw, shared)),
  };
}

/** Checks values that did not come from text, a recipe's for example. Throws `UsageError` in the words of `params`. */
export function validate<T extends z.ZodObject>(
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

function splitAtDashes(
  own: readonly Param[],
  argv: readonly string[],
): { before: readonly string[]; behind?: readonly string[] } {
  const dashes = argv.indexOf("--");
  if (dashes < 0 || !own.some(({ place }) => place === "rest")) return { before: argv };
  return { before: argv.slice(0, dashes), behind: argv.slice(dashes + 1) };
}

function parseWithCommander(command: Command, params: readonly Param[], argv: readonly string[]) {
  const commander = new Commander(command.name)
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
    .showSuggestionAfterError(false)
    .helpOption("-h, --help")
    .allowExcessArguments(true)
    .argument("[operands...]");
  if (params.some(({ place }) => place === "passThrough")) commander.passThroughOptions();
  for (const param of params.filter(({ place }) => place === "flag")) {
    for (const option of toOptions(param)) commander.addOption(option);
  }
  try {
    commander.parse(withImplied(params, argv), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return "help";
    throw fromCommander(error, command, params);
  }
  return { options: commander.opts(), operands: commander.args };
}

/** What follows a flag whose number may be left out is its value only where it is a number: `--keep-on-failure r.ts`. */
function withImplied(params: readonly Param[], argv: readonly string[]): string[] {
  const dashes = argv.indexOf("--");
  return argv.map((word, index) => {
    if (dashes >= 0 && index > dashes) return word;
    const param = params.find(({ flag, type, implied }) =>
      implied !== undefined && type === "number" && word === `--${flag}`
    );
    return param === undefined || numberPattern.test(argv[index + 1] ?? "") ? word : `${word}=${param.implied}`;
  });
}

/**
 * A switch that is on by default becomes `--no-…`, and `--…` says what holds anyway; one that is off becomes `--…`.
 * Other names are options of their own.
 */
function toOptions(param: Param): Option[] {
  const names = [param.flag, ...param.aliases];
  return names.flatMap((name, index) => {
    const short = param.short && index === 0 ? `-${param.short}, ` : "";
    if (param.type === "boolean" && param.default === true) {
      return [new Option(`--${name}`), new Option(`${short}--no-${name}`)];
    }
    if (param.type === "boolean") return new Option(`${short}--${name}`);
    const isList = param.type === "strings" || param.type === "numbers";
    if (param.implied !== undefined) return new Option(`${short}--${name} [value]`).preset(param.implied);
    const option = new Option(`${short}--${name} <value>`);
    return isList
      ? option.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text])
      : option;
  });
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

function fromCommander(error: CommanderError, command: Command, params: readonly Param[]): UsageError {
  const flag = /'(-[^']*)'/.exec(error.message)?.[1] ?? "";
  if (error.code === "commander.optionMissingArgument") {
    const param = params.find((candidate) => flag.includes(`--${candidate.flag} `));
    return new UsageError(`${param ? nameOf(param) : `\`${flag}\``} needs a value`, {
      hint: hintOf(param),
    });
  }
  if (error.code === "commander.unknownOption") {
    const known = params.filter(({ place }) => place === "flag")
      .flatMap((param) => [param.flag, ...param.aliases].map((name) => (param.default === true ? `no-${name}` : name)));
    const name = flag.replace(/^-+/, "").split("=")[0] ?? "";
    if (flag.includes("=") && known.includes(name)) {
      return new UsageError(`\`--${name}\` is a switch and takes no value`, { hint: `write \`--${name}\` alone` });
    }
    return new UsageError(`\`gpu ${command.name}\` has no flag \`${flag.split("=")[0]}\``, {
      hint: didYouMean(name, [...known, "help"], (word) => `--${word}`) ??
        `\`gpu ${command.name} --help\` lists its flags`,
    });
  }
  return new UsageError(error.message.replace(/^error: /, ""), {
    hint: `\`gpu ${command.name} --help\` shows how it is used`,
  });
}

function tooMany(command: Command, own: readonly Param[], left: readonly string[]): UsageError {
  const rest = own.some(({ place }) => place === "rest");
  return new UsageError(`\`gpu ${command.name}\` does not take \`${left.join(" ")}\``, {
    hint: rest
      ? `what is run there goes behind two dashes: \`gpu ${command.name} … -- ${left.join(" ")}\``
      : `\`gpu ${command.name} --help\` shows how it is used`,
  });
}

function hintOf(param: Param | undefined): string | undefined {
  if (!param?.description) return undefined;
  return param.place === "rest"
    ? `behind two dashes: \`-- …\`, the ${param.description}`
    : `${nameOf(param)}: ${param.description}`;
}

function nameOf(param: Param): string {
  return param.place === "flag" ? `\`--${param.default === true ? "no-" : ""}${param.flag}\`` : `\`<${param.flag}>\``;
}

function pick(raw: Record<string, unknown>, params: readonly Param[]): Record<string, unknown> {
  return Object.fromEntries(params.filter(({ key }) => raw[key] !== undefined).map(({ key }) => [key, raw[key]]));
}

function camelCase(flag: string): string {
  return flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
