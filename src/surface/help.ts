import type { Command } from "../command.ts";
import { wordsBelow } from "./find.ts";
import { globalParams } from "./globals.ts";
import { type Param, readParams } from "./params.ts";

interface Listed {
  readonly name: string;
  readonly summary: string;
}

/** What each group of commands is about, for the overview. */
const groupSummaries: Readonly<Record<string, string>> = {
  ci: "Submit tests and follow them",
  recipe: "Write and check recipes",
  tunnel: "Forward ports to and from an instance",
};

/** Help for `gpu` itself, or for a group of commands. */
export function groupHelp(entries: readonly Listed[], path: readonly string[]): string {
  const rows = wordsBelow(entries, path).map((word): [string, string] => {
    const name = [...path, word].join(" ");
    const below = wordsBelow(entries, [...path, word]);
    const own = entries.find((entry) => entry.name === name)?.summary;
    return [name, own ?? `${groupSummaries[name] ?? "Commands"}: ${below.join(", ")}`];
  });
  const called = ["gpu", ...path].join(" ");
  const heading = path.length === 0
    ? "gpu rents a GPU, runs work on it, and makes sure it is given back."
    : `${groupSummaries[path.join(" ")] ?? called}.`;
  return [
    heading,
    "",
    `Usage: ${called} <command> [flags]`,
    "",
    "Commands:",
    ...columns(rows.map(([name, summary]) => [`  gpu ${name}`, summary])),
    "",
    ...(path.length === 0 ? [...startHere(), "", "Flags of every command:", ...flagRows(globalParams()), ""] : []),
    `\`gpu <command> --help\` shows a command with its flags and examples.`,
  ].join("\n");
}

/** Help for one command: usage, what it does to the world, arguments, flags, examples. */
export function commandHelp(command: Command, { usage = `gpu ${command.name}` }: { usage?: string } = {}): string {
  const params = readParams(command.input).filter(({ isHidden }) => !isHidden);
  const places = params.filter(({ place }) => place !== "flag");
  const flags = params.filter(({ place }) => place === "flag");
  const shared = globalParams().filter(({ key }) => !params.some((param) => param.key === key));
  return [
    `${command.summary}.`,
    "",
    `Usage: ${
      [
        usage,
        ...places.filter(({ place }) => place !== "rest").map(usageOf),
        ...(flags.length > 0 ? ["[flags]"] : []),
        ...places.filter(({ place }) => place === "rest").map(usageOf),
      ].join(" ")
    }`,
    ...(command.description ? ["", command.description] : []),
    ...(places.length > 0
      ? ["", "Arguments:", ...columns(places.map((param) => [`  ${usageOf(param)}`, describe(param)]))]
      : []),
    ...(flags.length > 0 ? ["", "Flags:", ...flagRows(flags)] : []),
    ...(command.examples?.length
      ? ["", "Examples:", ...columns(command.examples.map(({ command, says }) => [`  ${command}`, `# ${says}`]))]
      : []),
    ...(effects[command.effect] ? ["", effects[command.effect]] : []),
    "",
    `Flags of every command: ${
      shared.map((param) => `--${param.default === true ? "no-" : ""}${param.flag}`).join(", ")
    }`,
  ].join("\n");
}

const effects = {
  read: "",
  write: "",
  spend: "Spends money: names the price and asks first, unless it is $0 or `--yes` is given.",
  destroy: "Destroys: names what is lost and asks first where that matters, unless `--yes` is given.",
};

function startHere(): string[] {
  return [
    "Start here:",
    ...columns([
      ["  gpu start", "# a machine on this computer, for $0, until a provider is configured"],
      ["  gpu exec -- uname -a", "# run something on it"],
      ["  gpu stop", "# give it back"],
      ["  gpu run recipe.ts", "# all of that, as a script"],
    ]),
  ];
}

function usageOf(param: Param): string {
  const isList = param.type === "strings" || param.type === "numbers";
  if (param.place === "rest") {
    return param.isRequired ? `-- <${param.placeholder}>...` : `[-- <${param.placeholder}>...]`;
  }
  const name = `<${param.placeholder}>${isList ? "..." : ""}`;
  return param.isRequired ? name : `[${name}]`;
}

function flagRows(params: readonly Param[]): string[] {
  return columns(params.map((param) => {
    const negated = param.default === true;
    const value = param.type === "boolean"
      ? ""
      : ` <${param.choices.length > 0 ? param.choices.join("|") : param.placeholder}>`;
    const short = param.short ? `-${param.short}, ` : "    ";
    return [
      `  ${short}--${negated ? "no-" : ""}${param.flag}${value}`,
      negated ? `do not ${param.description}` : describe(param),
    ];
  }));
}

function describe(param: Param): string {
  const facts = [
    param.type === "strings" && param.place === "flag" ? "may be repeated" : undefined,
    typeof param.default === "string" || typeof param.default === "number" ? `default ${param.default}` : undefined,
    param.env ? `or ${param.env}` : undefined,
    param.isRequired && param.place === "flag" ? "required" : undefined,
  ].filter((fact) => fact !== undefined);
  return facts.length > 0 ? `${param.description} (${facts.join("; ")})` : param.description;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(40, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`.trimEnd());
}
