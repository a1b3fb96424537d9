import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../src/commands.ts";
import { exitCodes, UsageError } from "../../src/errors.ts";
import { environmentVariables } from "../../src/env.ts";
import { parseArguments } from "../../src/surface/argv.ts";
import { findCommand } from "../../src/surface/find.ts";
import { globalParams } from "../../src/surface/globals.ts";
import { readParams } from "../../src/surface/params.ts";
import { topicNames } from "../../src/surface/topics.ts";
import { toWords } from "../transcripts/page.ts";

const root = join(import.meta.dir, "../..");
const source = join(root, "src");
/** Written by scripts/docs.ts from what is checked here. */
const generated = ["commands.ts", "recipe/api.ts"];
const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !generated.includes(file));
const read = (file: string) => readFileSync(join(source, file), "utf8");

/** Command lines that texts and comments name in backticks; what is filled in at run time reads `…`. */
function namedIn(text: string): string[] {
  const comments = text.match(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm) ?? [];
  const strings = text.match(/"(?:[^"\\\n]|\\.)*"/g) ?? [];
  const plain = [...comments, ...strings].flatMap((part) => part.match(/`gpu [^`\\]+`/g) ?? []);
  const inTemplates = text.match(/\\`gpu [^`\\]+\\`/g) ?? [];
  return [...plain, ...inTemplates].map((found) => found.replaceAll(/\\?`/g, "").replaceAll(/\$\{[^}]*\}/g, "…"));
}

/** What is wrong with a command line that a text names; nothing when it exists with the flags that are named. */
async function mistakeIn(line: string): Promise<string | undefined> {
  const words = toWords(line.split(/ (?:\||&&|<) /)[0] ?? "").slice(1);
  const [first = ""] = words;
  // `gpu <command> --help`, `gpu …`, and the process that is nobody's to type.
  if (/^[<…-]/.test(first) || first === "agent" || first === "complete" || first === "version") return undefined;
  if (first === "help" && topicNames.includes(words[1] ?? "")) return undefined;
  if (first === "help") return await mistakeIn(`gpu ${words.slice(1).join(" ")}`);
  try {
    const found = findCommand(commands, words);
    if (found.kind === "group") return undefined;
    const params = [...readParams((await found.entry.load()).input), ...globalParams];
    const names = params.flatMap(({ flag, short, aliases }) =>
      [flag, `no-${flag}`, ...aliases].map((name) => `--${name}`).concat(`-${short}`)
    );
    const own = ownFlags(found.rest, params.some(({ place }) => place === "passThrough"));
    return own.find((word) => ![...names, "--help", "-h"].includes(word.split("=")[0] ?? ""));
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

/** Flags behind `--`, and behind the first word of a command that passes them on, are not its own. */
function ownFlags(words: readonly string[], isPassedOn: boolean): string[] {
  const end = words.findIndex((word) => word === "--" || (isPassedOn && !word.startsWith("-")));
  return words.slice(0, end < 0 ? undefined : end).filter((word) => /^--?[a-z]/.test(word));
}

test("every command that a text names exists, with the flags it is named with", async () => {
  const named = files.flatMap((file) => namedIn(read(file)).map((line) => ({ where: `src/${file}`, line })));
  const readme = readFileSync(join(root, "README.md"), "utf8").match(/`gpu [^`]+`/g) ?? [];
  named.push(...readme.map((line) => ({ where: "README.md", line: line.replaceAll("`", "") })));
  const guides = join(root, "test/transcripts/guides");
  for (const file of readdirSync(guides)) {
    const lines = readFileSync(join(guides, file), "utf8").match(/`gpu [^`\n]+`/g) ?? [];
    named.push(...lines.map((line) => ({ where: `guides/${file}`, line: line.replaceAll("`", "") })));
  }
  expect(named.length).toBeGreaterThan(100);
  const wrong: string[] = [];
  for (const { where, line } of named) {
    const mistake = await mistakeIn(line);
    if (mistake !== undefined) wrong.push(`${where}: \`${line}\`: ${mistake}`);
  }
  expect(wrong).toEqual([]);
});

test("every example can be typed as it stands", async () => {
  const wrong: string[] = [];
  for (const entry of commands) {
    const command = await entry.load();
    for (const { command: line } of command.examples ?? []) {
      for (const part of line.split(/ (?:\||&&) /).filter((part) => part.startsWith("gpu "))) {
        try {
          const found = findCommand(commands, toWords(part.split(/ (?:<|>>?) /)[0] ?? "").slice(1));
          if (found.kind === "group") throw new UsageError("is no command");
          parseArguments(await found.entry.load(), found.rest, {});
        } catch (error) {
          wrong.push(`${entry.name}: \`${line}\`: ${error instanceof Error ? error.message : error}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

test.each([
  ["gpu stop --all --yes", undefined],
  ["gpu stop --al", "--al"],
  ["gpu strat", "there is no command `gpu strat`"],
  ["gpu exec … -- ls --color", undefined],
  ["gpu run --budget 5 <file> --whatever", undefined],
  ["gpu help start", undefined],
  ["gpu help strat", "there is no command `gpu strat`"],
])("`%s`: %p", async (line, mistake) => {
  expect(await mistakeIn(line)).toBe(mistake);
});

/** Read because the system or a standard says so; they are not gpu's to explain. */
const ofTheSystem = [
  "APPDATA",
  "DBUS_SESSION_BUS_ADDRESS",
  "HOME",
  "LOCALAPPDATA",
  "LOGNAME",
  "PATH",
  "SystemRoot",
  "TERM",
  "USER",
  "USERNAME",
  "XDG_RUNTIME_DIR",
];

test("every environment variable that is read is documented, and every one that is documented is read", () => {
  const readBy = new Map<string, string>();
  for (const file of files.filter((file) => file !== "env.ts")) {
    const text = read(file);
    const found = [
      ...text.matchAll(/\benv\.([A-Za-z_]+)\b(?!\.ts|")/g),
      ...text.matchAll(/\breadVariable\([^,]+, "([^"]+)"/g),
      ...text.matchAll(/\benv: "([A-Z_]+)"/g),
      ...text.matchAll(/"(GPU_[A-Z_]+|[A-Z_]+_(?:API_KEY|API_URL|SERVER_URL|PROXY|CA_CERTS))"/g),
      // What a script of ours sets for a command.
      ...[...text.matchAll(/^\s*export ((?:GPU_\w+ ?)+)$/gm)].flatMap((
        [, names = ""],
      ) => [...names.matchAll(/(\w+)/g)]),
      ...[...text.matchAll(/\{([^{}]*)\} = (?:\w+\.)*env\b/g)].flatMap((
        [, names = ""],
      ) => [...names.matchAll(/(\w+)/g)]),
    ];
    for (const [, name = ""] of found) readBy.set(name.replace("no_proxy", "NO_PROXY"), file);
  }
  readBy.delete("ts");
  const documented = Object.keys(environmentVariables);
  const undocumented = [...readBy].filter(([name]) => !documented.includes(name) && !ofTheSystem.includes(name));
  expect(undocumented.map(([name, file]) => `${file} reads ${name}`)).toEqual([]);
  expect(documented.filter((name) => !readBy.has(name))).toEqual([]);
});

test("README names every exit code", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [paragraph = ""] = readme.match(/Exit codes: [^]*?\n\n/) ?? [];
  for (const code of Object.values(exitCodes)) expect(paragraph).toMatch(new RegExp(`\\b${code} `));
});
