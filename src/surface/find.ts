import { UsageError } from "../errors.ts";
import { didYouMean } from "./suggest.ts";

interface Named {
  readonly name: string;
}

/** What the words of a command line name. `rest` is the command line without those words. */
export type Found<T extends Named> =
  | { readonly kind: "command"; readonly entry: T; readonly rest: readonly string[] }
  | { readonly kind: "group"; readonly path: readonly string[]; readonly rest: readonly string[] };

/** Global flags that take a value; they may stand before the command. */
const valueFlags = ["--provider", "--profile"];

/** Finds the command that `argv` names: the longest path of words, global flags between them passed over. */
export function findCommand<T extends Named>(entries: readonly T[], argv: readonly string[]): Found<T> {
  const path: string[] = [];
  const rest: string[] = [];
  let index = 0;
  for (; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--") break;
    if (word.startsWith("-")) {
      rest.push(word);
      if (valueFlags.includes(word) && index + 1 < argv.length) rest.push(argv[++index] ?? "");
      continue;
    }
    const next = [...path, word];
    if (!entries.some(({ name }) => isBelow(name, next))) break;
    path.push(word);
    if (!entries.some(({ name }) => isBelow(name, path) && name !== path.join(" "))) {
      index++;
      break;
    }
  }
  const remaining = [...rest, ...argv.slice(index)];
  const entry = entries.find(({ name }) => name === path.join(" "));
  if (entry) return { kind: "command", entry, rest: remaining };
  const wrong = argv[index];
  if (wrong === undefined || wrong === "--") return { kind: "group", path, rest: remaining };
  throw unknownCommand(entries, path, wrong);
}

/** The words that may follow `path`, once each. */
export function wordsBelow(entries: readonly Named[], path: readonly string[]): string[] {
  const below = entries.filter(({ name }) => isBelow(name, path) && name !== path.join(" "));
  return [...new Set(below.map(({ name }) => name.split(" ")[path.length] ?? ""))];
}

function isBelow(name: string, path: readonly string[]): boolean {
  return path.length === 0 || name === path.join(" ") || name.startsWith(`${path.join(" ")} `);
}

/** What other tools call it. */
const synonyms: Readonly<Record<string, string>> = {
  create: "start",
  delete: "stop",
  destroy: "stop",
  down: "stop",
  kill: "stop",
  launch: "start",
  list: "status",
  logs: "log",
  ls: "status",
  ps: "status",
  rm: "stop",
  shell: "ssh",
  terminate: "stop",
  up: "start",
};

function unknownCommand(entries: readonly Named[], path: readonly string[], wrong: string): UsageError {
  const known = wordsBelow(entries, path);
  const elsewhere = entries.map(({ name }) => name).filter((name) => name.split(" ").at(-1) === wrong);
  const typed = ["gpu", ...path, wrong].join(" ");
  const meant = path.length === 0 ? synonyms[wrong] : undefined;
  const hint = (meant && entries.some(({ name }) => name === meant) ? `\`gpu ${meant}\` does that` : undefined) ??
    didYouMean(wrong, known, (word) => ["gpu", ...path, word].join(" ")) ??
    (elsewhere.length > 0 ? `did you mean ${elsewhere.map((name) => `\`gpu ${name}\``).join(" or ")}?` : undefined) ??
    `\`${["gpu", ...path, "--help"].join(" ")}\` lists what there is`;
  return new UsageError(`there is no command \`${typed}\``, { hint });
}
