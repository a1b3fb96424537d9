import type { Command, CommandEntry } from "../command.ts";
import { exitCodes } from "../errors.ts";
import { describe, flagLabel, wrap } from "./columns.ts";
import { outputFields } from "./fields.ts";
import { globalParams } from "./globals.ts";
import { effectText, usageLine, usageOf } from "./help.ts";
import type { Param } from "./param.ts";
import { readParams } from "./params.ts";
import { blocksOf } from "./reflow.ts";
import { item, joined, literal, paragraph, prose, title, verbatim } from "./roff.ts";

/** What every man page says of itself. */
export interface ManOptions {
  readonly version: string;
  /** Every variable that is read, and what for. */
  readonly variables: Readonly<Record<string, string>>;
  /** Milliseconds since 1970; the day of it stands in the foot of the page. */
  readonly date: number;
}

/** The page `gpu(1)`: what there is, and what holds for every command. */
export function manOverview(entries: readonly CommandEntry[], options: ManOptions): string {
  return joined([
    title({ ...options, name: "gpu" }),
    ".SH NAME",
    "gpu \\- rent a GPU, run work on it, and make sure it is given back",
    ".SH SYNOPSIS",
    `${literal("gpu")} \\fIcommand\\fR [\\fIflags\\fR]`,
    ".SH DESCRIPTION",
    ...paragraph(
      "Until a provider is configured, `gpu` rents from `local`: machines on this computer, for nothing. Each command has a " +
        "page of its own: `gpu help --man start` prints it, `gpu start --help` says the same in short.",
    ),
    ".SH COMMANDS",
    ...entries.flatMap(({ name, summary }) => item(literal(`gpu ${name}`), `${summary}.`)),
    ".SH OPTIONS",
    ...paragraph("Flags of every command:"),
    ...optionItems(globalParams),
    ".SH EXIT STATUS",
    ...exits(),
    ".SH ENVIRONMENT",
    ...Object.entries(options.variables).flatMap(([name, says]) => item(literal(name), says)),
    ".SH FILES",
    ...item(literal("~/.config/gpu/config.yaml"), "the configuration; `gpu config list` shows it"),
    ...item(literal("~/.local/state/gpu"), "the journal of what was rented, keys of machines, machines of `local`"),
    ...item(literal("~/.cache/gpu"), "what can be made again"),
    ".SH EXAMPLES",
    ...examples([
      { command: "gpu start", says: "a machine on this computer, for $0, until a provider is configured" },
      { command: "gpu exec -- uname -a", says: "run something on it" },
      { command: "gpu stop", says: "give it back" },
      { command: "gpu run recipe.ts", says: "all of that, as a script" },
    ]),
  ]);
}

/** The page of one command: `gpu-start(1)`. */
export function manPage(command: Command, options: ManOptions): string {
  const params = readParams(command.input).filter(({ isHidden }) => !isHidden);
  const places = params.filter(({ place }) => place !== "flag");
  const flags = params.filter(({ place }) => place === "flag");
  const shared = globalParams.filter(({ key }) => !params.some((param) => param.key === key));
  const { whole, fields } = outputFields(command.output);
  const effect = effectText(command.effect);
  return joined([
    title({ ...options, name: `gpu-${command.name.replaceAll(" ", "-")}` }),
    ".SH NAME",
    ...wrap(`gpu\\-${literalDashes(command.name)} \\- ${prose(lowerFirst(command.summary))}`, 79),
    ".SH SYNOPSIS",
    literal(usageLine(command)),
    ".SH DESCRIPTION",
    ...paragraph(`${command.summary}.`),
    ...(command.description ? blocksOf(command.description) : []).flatMap((block) =>
      block.kind === "paragraph" ? paragraph(block.text) : verbatim(block.lines)
    ),
    ...(effect === "" ? [] : paragraph(effect)),
    ...(places.length > 0 ? [".SH ARGUMENTS"] : []),
    ...places.flatMap((param) => item(literal(usageOf(param)), describe(param))),
    ".SH OPTIONS",
    ...optionItems(flags),
    ...paragraph("Of every command:"),
    ...optionItems(shared),
    ".SH OUTPUT",
    ...paragraph(
      command.kind === "stream" ? `With \`--json\`, a line each: ${whole}.` : `With \`--json\`: ${whole}.`,
    ),
    ...fields.flatMap(({ path, type, description }) => item(`${literal(path)} (${prose(type)})`, description)),
    ".SH EXIT STATUS",
    ...exits(),
    ...(command.examples?.length ? [".SH EXAMPLES", ...examples(command.examples)] : []),
    ".SH SEE ALSO",
    "\\fBgpu\\fR(1)",
  ]);
}

function optionItems(params: readonly Param[]): string[] {
  return params.flatMap((param) =>
    item(literal(flagLabel(param)), param.default === true ? `do not ${param.description}` : describe(param))
  );
}

function examples(list: readonly { readonly command: string; readonly says: string }[]): string[] {
  return list.flatMap(({ command, says }) => item(literal(command), says));
}

/** What the exit codes mean. */
const exitWords = [
  [exitCodes.done, "done"],
  [exitCodes.failed, "failed"],
  [exitCodes.usage, "the command line is not understood"],
  [exitCodes.login, "log in first"],
  [exitCodes.bug, "a bug in gpu"],
  [exitCodes.hangup, "hung up (SIGHUP)"],
  [exitCodes.interrupted, "interrupted (Ctrl-C)"],
  [exitCodes.terminated, "terminated (SIGTERM)"],
] as const;

function exits(): string[] {
  return exitWords.flatMap(([code, says]) => item(literal(String(code)), says));
}

function literalDashes(name: string): string {
  return name.replaceAll(/[ -]/g, "\\-");
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
