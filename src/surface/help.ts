import type { Command, Effect } from "../command.ts";
import { columns, describe, flagRows, wrap } from "./columns.ts";
import { globalParams } from "./globals.ts";
import type { Param } from "./param.ts";
import { readParams } from "./params.ts";
import { reflow } from "./reflow.ts";

/** Help for one command: usage, what it does to the world, arguments, flags, examples. `width` is in characters. */
export function commandHelp(
  command: Command,
  { usage = `gpu ${command.name}`, width }: { usage?: string; width: number },
): string {
  const params = readParams(command.input).filter(({ isHidden }) => !isHidden);
  const places = params.filter(({ place }) => place !== "flag");
  const flags = params.filter(({ place }) => place === "flag");
  const shared = globalParams.filter(({ key }) => !params.some((param) => param.key === key));
  return [
    `${command.summary}.`,
    "",
    `Usage: ${usageLine(command, { usage })}`,
    ...(command.description ? ["", ...reflow(command.description, width)] : []),
    ...(places.length > 0
      ? ["", "Arguments:", ...columns(places.map((param) => [`  ${usageOf(param)}`, describe(param)]), { page: width })]
      : []),
    ...(flags.length > 0 ? ["", "Flags:", ...flagRows(flags, width)] : []),
    ...(command.examples?.length
      ? ["", "Examples:", ...columns(command.examples.map(({ command, says }) => [`  ${command}`, `# ${says}`]))]
      : []),
    ...(effects[command.effect] ? ["", ...reflow(effectText(command.effect), width)] : []),
    "",
    ...wrap(
      `Flags of every command: ${
        shared.map((param) => `--${param.default === true ? "no-" : ""}${param.flag}`).join(", ")
      }`,
      width,
    ),
  ].join("\n");
}

/** How a command is called: `gpu start [flags]`. */
export function usageLine(command: Command, { usage = `gpu ${command.name}` }: { usage?: string } = {}): string {
  const params = readParams(command.input).filter(({ isHidden }) => !isHidden);
  const places = params.filter(({ place }) => place !== "flag");
  return [
    usage,
    ...places.filter(({ place }) => place !== "rest").map(usageOf),
    ...(places.length < params.length ? ["[flags]"] : []),
    ...places.filter(({ place }) => place === "rest").map(usageOf),
  ].join(" ");
}

/** What a command does to the world, as a sentence; empty where it only reads or writes here. */
export function effectText(effect: Effect): string {
  return effects[effect];
}

const effects = {
  read: "",
  write: "",
  spend: "Spends money: names the price and asks first, unless it is $0 or `--yes` is given.",
  destroy:
    "Destroys something: where it costs money or several are meant, names what is lost and asks first, unless `--yes` is given.",
};

/** An argument as it stands in a usage line: `<file>`, `[<file>...]`. */
export function usageOf(param: Param): string {
  const isList = param.type === "strings" || param.type === "numbers";
  if (param.place === "rest") {
    return param.isRequired ? `-- <${param.placeholder}>...` : `[-- <${param.placeholder}>...]`;
  }
  const name = `<${param.placeholder}>${isList ? "..." : ""}`;
  return param.isRequired ? name : `[${name}]`;
}
