import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const source = join(import.meta.dir, "../../src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** What a part of the house may import, beside itself and the files that everyone may. Types are free. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  surface: [],
  terminal: [],
  http: [],
  ssh: [],
  ci: ["http", "terminal", "instance"],
  instance: ["rent", "background", "provider", "ssh", "models"],
  agent: ["ci", "http"],
  provider: ["ssh", "http", "agent"],
  rent: ["provider", "ssh", "http", "models"],
  background: ["ssh", "rent", "provider"],
  recipe: ["surface", "rent", "provider", "ssh", "ci", "http", "background", "terminal"],
  models: ["surface"],
  configure: ["surface", "provider", "models", "terminal"],
  doctor: ["configure", "background", "rent", "provider"],
  emulate: ["provider", "ssh", "terminal"],
  commands: ["instance", "configure", "doctor", "models", "emulate", "surface", "recipe", "rent", "provider", "ssh", "ci", "http", "background", "terminal"],
};
const everyone = [
  "world.ts",
  "errors.ts",
  "env.ts",
  "files.ts",
  "config.ts",
  "command.ts",
  "lock.ts",
  "duration.ts",
  "quote.ts",
  "safe-text.ts",
  "processes.ts",
  "libc.ts",
  "secrets.ts",
  "exclusive.ts",
  "../package.json",
];

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  const found = text.matchAll(/^(?:import|export) (?!type )[^;]*?from "(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm);
  return [...found].map(([, still, lazy]) => normalize(join(dirname(file), still ?? lazy ?? "")));
}

test("imports point one way", () => {
  const wrong = files.flatMap((file) => {
    const part = file.split("/")[0] ?? "";
    const allowed = arrows[part];
    if (allowed === undefined || !file.includes("/")) return [];
    return importsOf(file)
      .filter((target) => !everyone.includes(target) && target.split("/")[0] !== part)
      .filter((target) => !allowed.includes(target.split("/")[0] ?? ""))
      .map((target) => `${file} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test("commands do not import each other", () => {
  const wrong = files.filter((file) => file.startsWith("commands/"))
    .flatMap((file) =>
      importsOf(file).filter((target) => target.startsWith("commands/")).map((target) => `${file} imports ${target}`)
    );
  expect(wrong).toEqual([]);
});

test("only main.ts touches the process", () => {
  const touching = files.filter((file) =>
    /from "node:process"|\bprocess\.(env|argv|exit|stdout|stderr|stdin|cwd)\b/.test(
      readFileSync(join(source, file), "utf8"),
    )
  );
  // outside.ts is handed the process by main.ts; the recipe runner catches a recipe's own `process.exit`.
  expect(touching.filter((file) => !["main.ts", "outside.ts"].includes(file))).toEqual([]);
});

test("every file is found by its name, and none is a drawer", () => {
  const drawers = files.filter((file) => /(^|\/)(utils?|helpers?|common|misc)\.ts$/.test(file));
  expect(drawers.map((file) => relative(source, file))).toEqual([]);
});
