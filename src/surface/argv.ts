import { Command as Commander, CommanderError, Option } from "commander";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import {
  type Arguments,
  hintOf,
  nameOf,
  paramsOf,
  plainWords,
  splitAtDashes,
  toArguments,
  type Words,
} from "./arguments.ts";
import type { Param } from "./param.ts";
import { didYouMean } from "./suggest.ts";
import { numberPattern } from "./text.ts";

/** Reads `argv`, which follows the command's own words, as flags and positionals of `command` and the global flags. */
export function parseArguments(
  command: Command,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Arguments {
  return toArguments(command, plainWords(command, argv) ?? parseWords(command, argv), env);
}

/** Sorts words with flags among them. Throws `UsageError` for one that `command` does not have. */
export function parseWords(command: Command, argv: readonly string[]): Words | "help" {
  const { own, shared } = paramsOf(command);
  const { before, behind } = splitAtDashes(own, argv);
  const parsed = parseWithCommander(command, [...own, ...shared], before);
  return parsed === "help" ? "help" : { flags: parsed.options, operands: parsed.operands, behind };
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
