import type { Command, CommandEntry } from "../../src/command.ts";
import { handleTypes } from "../../src/recipe/handles.ts";
import { describe, flagLabel } from "../../src/surface/columns.ts";
import { exampleCode } from "../../src/surface/example-code.ts";
import { outputFields } from "../../src/surface/fields.ts";
import { globalParams } from "../../src/surface/globals.ts";
import { effectText, usageLine, usageOf } from "../../src/surface/help.ts";
import type { Param } from "../../src/surface/param.ts";
import { readParams } from "../../src/surface/params.ts";
import { asTyped, type SeenStep } from "./examples.ts";

/** The name of a command's page: `ci-submit-test`. */
export function referenceName(command: string): string {
  return command.replaceAll(" ", "-");
}

/** The page of a command, in Markdown: usage, arguments, flags, examples, what was seen in tests, output. */
export function commandPage(
  command: Command,
  { seen, all }: { seen: readonly SeenStep[]; all: readonly CommandEntry[] },
): string {
  const params = readParams(command.input).filter(({ isHidden }) => !isHidden);
  const places = params.filter(({ place }) => place !== "flag");
  const flags = params.filter(({ place }) => place === "flag");
  const { whole, fields } = outputFields(command.output);
  const code = exampleCode(command, Object.entries(handleTypes).find(([name]) => name === command.name)?.[1]);
  const effect = effectText(command.effect);
  const lines = [
    `# gpu ${command.name}`,
    "",
    `${command.summary}.`,
    "",
    "```sh",
    usageLine(command),
    "```",
    "",
    ...(command.description ? [inText(command.description), ""] : []),
    ...(effect === "" ? [] : [inText(effect), ""]),
    ...(command.examples?.length ? ["## Examples", "", "```sh", ...exampleLines(command), "```", ""] : []),
    ...sessions(seen),
    ...(places.length > 0
      ? [
        "## Arguments",
        "",
        ...table(["argument", "is"], places.map((param) => [inCode(usageOf(param)), said(param)])),
        "",
      ]
      : []),
    ...(flags.length > 0 ? ["## Flags", "", ...flagTable(flags), ""] : []),
    `Of every command: ${
      globalParams.map((param) => inCode(`--${param.default === true ? "no-" : ""}${param.flag}`)).join(", ")
    }.`,
    "",
    "## Output",
    "",
    command.kind === "stream" ? `With \`--json\`, a line each: ${whole}.` : `With \`--json\`: ${whole}.`,
    "",
    ...(fields.length > 0
      ? table(
        ["field", "type", "is"],
        fields.map(({ path, type, description }) => [
          inCode(path),
          cellText(type),
          cellText(description),
        ]),
      )
      : []),
    "",
    ...(code.length > 0
      ? ["## In a recipe", "", "```ts", ...code.flatMap((text) => [text, ""]).slice(0, -1), "```", ""]
      : []),
    ...related(command, all),
  ];
  return `${lines.join("\n").replace(/\n{3,}/g, "\n\n").trimEnd()}\n`;
}

function exampleLines(command: Command): string[] {
  return (command.examples ?? []).flatMap(({ command: line, says }) => [`# ${says}`, line]);
}

/** At most two that a person reads and one for programs, each with the page it is from. */
function sessions(seen: readonly SeenStep[]): string[] {
  const forPeople = seen.filter(({ isJson }) => !isJson);
  const good = forPeople.filter(({ isDone }) => isDone).slice(0, 2);
  const chosen = [
    ...(good.length > 0 ? good : forPeople.slice(0, 1)),
    ...seen.filter(({ isJson }) => isJson).slice(0, 1),
  ];
  if (chosen.length === 0) return [];
  return [
    "## As it is in a test",
    "",
    ...chosen.flatMap(({ step, page, isTTY }) => [
      `From [${page.title}](/${page.path}):`,
      "",
      "```console",
      `$ ${typedLine(step.command, isTTY)}`,
      ...step.printed,
      "```",
      "",
    ]),
  ];
}

function typedLine(line: string, isTTY: boolean): string {
  const { command, remark } = asTyped(line, { isTTY });
  return remark === undefined ? command : `${command}  # ${remark}`;
}

function flagTable(flags: readonly Param[]): string[] {
  return table(["flag", "does"], flags.map((param) => [inCode(flagLabel(param)), said(param)]));
}

function said(param: Param): string {
  return cellText(param.default === true ? `do not ${param.description}` : describe(param));
}

/** Commands of the same group. */
function related(command: Command, all: readonly CommandEntry[]): string[] {
  const [group = "", ...rest] = command.name.split(" ");
  if (rest.length === 0) return [];
  const others = all.filter(({ name }) => name.startsWith(`${group} `) && name !== command.name);
  if (others.length === 0) return [];
  return [
    "## See also",
    "",
    others.map(({ name }) => `[\`gpu ${name}\`](/reference/${referenceName(name)})`).join(", "),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

function inCode(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

/** In a cell a bar ends it; what is not meant as Markdown stays as it is. */
function cellText(text: string): string {
  return inText(text).replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** `<` and `*` outside of backticks are themselves. */
function inText(text: string): string {
  return text.split("`").map((part, index) =>
    index % 2 === 1 ? part : part.replace(/[<*_[\]]/g, (character) => `\\${character}`)
  ).join("`");
}
