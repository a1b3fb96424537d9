import type { CommandEntry } from "../command.ts";
import { findCommand, wordsBelow } from "./find.ts";
import { globalParams } from "./globals.ts";
import type { Param } from "./param.ts";
import { readParams } from "./params.ts";

export const shells = ["bash", "zsh", "fish", "powershell"] as const;
export type Shell = (typeof shells)[number];

export interface Candidate {
  readonly value: string;
  readonly says: string;
}

/** Values that only the running world knows: instance ids, offers, tunnels. `kind` is a parameter's `complete`. */
export type LookUp = (kind: string) => Promise<readonly Candidate[]>;

/** What a recipe takes beside the flags of `gpu run`; nothing where it cannot be read. */
export type ParamsOf = (recipe: string) => Promise<readonly Param[]>;

/** After the candidates a line `:N` tells the shell what else to do (the protocol of @bomb.sh/tab). */
const directives = { nothing: 4, files: 0, folders: 16 };

/** The script that a shell loads; it calls `gpu complete -- words…` at each Tab. */
export async function completionScript(shell: Shell): Promise<string> {
  if (shell === "bash") return (await import("./completion-bash.ts")).bashScript;
  const { script } = await import("@bomb.sh/tab");
  const lines: string[] = [];
  const print = console.log;
  // The library can only print its scripts; it does so at once, so nothing else is caught here.
  console.log = (line: string) => void lines.push(line);
  try {
    script(shell, "gpu", "gpu");
  } finally {
    console.log = print;
  }
  return lines.join("\n");
}

/** Answers one Tab: `words` is the line behind `gpu`, its last word the one being typed, maybe empty. */
export async function complete(
  entries: readonly CommandEntry[],
  words: readonly string[],
  lookUp: LookUp,
  paramsOf: ParamsOf = () => Promise.resolve([]),
): Promise<string> {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { candidates, directive } = await candidatesFor(entries, { before, typed, lookUp, paramsOf });
  const fitting = candidates.filter(({ value }) => value.startsWith(typed));
  return [...fitting.map(({ value, says }) => `${oneLine(value)}\t${oneLine(says)}`), `:${directive}`].join("\n");
}

/** Ids and names may come from a server, and end in a command line. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, "");
}

interface Answer {
  readonly candidates: readonly Candidate[];
  readonly directive: number;
}

async function candidatesFor(
  entries: readonly CommandEntry[],
  { before, typed, lookUp, paramsOf }: {
    before: readonly string[];
    typed: string;
    lookUp: LookUp;
    paramsOf: ParamsOf;
  },
): Promise<Answer> {
  if (before[0] === "help") return await topicsBelow(entries, before.slice(1), typed);
  const found = findOrNothing(entries, before);
  if (found === undefined) return { candidates: [], directive: directives.nothing };
  if (found.kind === "group") {
    const awaited = valueAwaited(globalParams, before.at(-1));
    if (awaited) return await valuesOf(awaited, lookUp);
    const candidates = typed.startsWith("-") ? flagsOf(globalParams) : groupWords(entries, found.path);
    return { candidates, directive: directives.nothing };
  }
  const known = [...readParams((await found.entry.load()).input), ...globalParams].filter(({ isHidden }) => !isHidden);
  const file = found.entry.name === "run" ? placesIn(known, found.rest)[0] : undefined;
  const own = file === undefined ? [] : await paramsOf(file);
  // What it takes stands behind the file.
  const params = own.length === 0 ? known : [...known.slice(0, 1), ...own, ...known.slice(1)];
  const awaited = valueAwaited(params, found.rest.at(-1));
  if (awaited) return await valuesOf(awaited, lookUp);
  if (typed.startsWith("-")) return { candidates: flagsOf(params), directive: directives.nothing };
  const places = params.filter(({ place }) => place === "positional" || place === "passThrough");
  const place = places[placesIn(params, found.rest).length] ?? places.findLast(({ type }) => type === "strings");
  return place ? await valuesOf(place, lookUp) : { candidates: [], directive: directives.nothing };
}

/** What `gpu help` explains: commands, and at the beginning its topics. */
async function topicsBelow(
  entries: readonly CommandEntry[],
  before: readonly string[],
  typed: string,
): Promise<Answer> {
  const words = before.filter((word) => word !== "--man");
  const isPage = words.length < before.length;
  const { topicNames } = await import("./topics.ts");
  const topics = words.length > 0 || isPage ? [] : topicNames.map((value) => ({ value, says: "a topic" }));
  const found = findOrNothing(entries, words);
  const commands = found?.kind === "group" ? groupWords(entries, found.path) : [];
  const flags = isPage ? [] : [{ value: "--man", says: "as a man page" }];
  return { candidates: typed.startsWith("-") ? flags : [...commands, ...topics], directive: directives.nothing };
}

function groupWords(entries: readonly CommandEntry[], path: readonly string[]): Candidate[] {
  return wordsBelow(entries, path).map((word) => {
    const name = [...path, word].join(" ");
    return { value: word, says: entries.find((entry) => entry.name === name)?.summary ?? `gpu ${name} …` };
  });
}

function findOrNothing(entries: readonly CommandEntry[], before: readonly string[]) {
  try {
    return findCommand(entries, before);
  } catch {
    return undefined; // A word that names nothing has nothing behind it; Tab stays silent.
  }
}

function flagsOf(params: readonly Param[]): Candidate[] {
  return params.filter(({ place }) => place === "flag")
    .map(({ flag, description, default: isOn }) =>
      isOn === true
        ? { value: `--no-${flag}`, says: `do not ${description}` }
        : { value: `--${flag}`, says: description }
    );
}

/** The flag before the cursor, when it waits for its value. */
function valueAwaited(params: readonly Param[], last: string | undefined): Param | undefined {
  return params.find((param) =>
    param.place === "flag" && param.type !== "boolean" &&
    (last === `-${param.short}` || [param.flag, ...param.aliases].some((name) => last === `--${name}`))
  );
}

/** The words that are no flags, nor values of flags. */
function placesIn(params: readonly Param[], rest: readonly string[]): string[] {
  return rest.filter((word, index) => !word.startsWith("-") && !valueAwaited(params, rest[index - 1]));
}

async function valuesOf(param: Param, lookUp: LookUp): Promise<Answer> {
  if (param.choices.length > 0) {
    return { candidates: param.choices.map((value) => ({ value, says: "" })), directive: directives.nothing };
  }
  // `fault|file`: one of the names, or a file.
  const kinds = param.complete?.split("|") ?? [];
  const directive = kinds.includes("file")
    ? directives.files
    : kinds.includes("folder")
    ? directives.folders
    : directives.nothing;
  const names = kinds.filter((kind) => kind !== "file" && kind !== "folder");
  return { candidates: (await Promise.all(names.map(lookUp))).flat(), directive };
}
