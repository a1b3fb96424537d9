import type { Command } from "../command.ts";
import { memberName } from "./api.ts";
import { parseArguments } from "./argv.ts";
import { defaultGlobals } from "./globals.ts";
import { readParams } from "./params.ts";

/** The examples of a command's help as code of a recipe; those that only a shell can do are left out. */
export function exampleCode(command: Command, handle: string | undefined): string[] {
  return (command.examples ?? []).flatMap(({ command: line, says }) => {
    const call = callOf(command, line);
    return call === undefined ? [] : [`// ${says}\n${statement(call, { command, handle })}`];
  });
}

/** `gpu start --hours 2` as `gpu.start({ hours: 2 })`. */
function callOf(command: Command, line: string): string | undefined {
  const words = wordsOf(line);
  const name = ["gpu", ...command.name.split(" ")];
  if (words === undefined || name.some((word, index) => words[index] !== word)) return undefined;
  try {
    const parsed = parseArguments(command, words.slice(name.length), {});
    if (parsed.kind === "help" || !Bun.deepEquals(parsed.globals, defaultGlobals)) return undefined;
    // Shown again and again: that is for a screen.
    if (command.kind === "value" && command.refreshMs !== undefined && parsed.input.watch === true) return undefined;
    const given = readParams(command.input)
      .map(({ key, default: preset }) => ({ key, value: parsed.input[key], preset }))
      .filter(({ value, preset }) => value !== undefined && !Bun.deepEquals(value, preset));
    const fields = given.map(({ key, value }) => `${key}: ${literal(value)}`);
    const path = ["gpu", ...command.name.split(" ").map(memberName)].join(".");
    return `${path}(${fields.length === 0 ? "" : `{ ${fields.join(", ")} }`})`;
  } catch {
    return undefined; // An old spelling, or an example of what is refused.
  }
}

/** The words of a line that needs no shell; undefined where one has to do something. */
function wordsOf(line: string): string[] | undefined {
  const words: string[] = [];
  const pattern = /\s*((?:[^\s"'\\|&;<>$`#*?]|"[^"\\$`]*"|'[^']*')+)/y;
  while (pattern.lastIndex < line.trimEnd().length) {
    const [, word] = pattern.exec(line) ?? [];
    if (word === undefined) return undefined;
    words.push(word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single));
  }
  return words;
}

function literal(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(literal).join(", ")}]` : JSON.stringify(value);
}

/** What a recipe does with what it gets. */
const keeps: Readonly<Record<string, string>> = {
  InstanceHandle: "await using box = await",
  TunnelHandle: "await using tunnel = await",
  SyncHandle: "await using sync = await",
  JobHandle: "const job = await",
  Ran: "const ran = await",
};

function statement(call: string, { command, handle }: { command: Command; handle: string | undefined }): string {
  if (handle !== undefined) return `${keeps[handle] ?? "await"} ${call};`;
  if (command.kind === "stream" && !command.isReadWhole) return `for await (const item of ${call}) console.log(item);`;
  return command.effect === "read" ? `console.log(await ${call});` : `await ${call};`;
}
