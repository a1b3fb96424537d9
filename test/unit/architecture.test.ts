import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import project from "../../package.json" with { type: "json" };

const source = join(import.meta.dir, "../../src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** Files at the root that hold facts and pure functions. */
const facts = [
  "errors.ts",
  "world.ts",
  "command.ts",
  "bytes-text.ts",
  "duration.ts",
  "quote.ts",
  "safe-text.ts",
  "paint.ts",
  "size.ts",
  "mask.ts",
  "secret-name.ts",
];
/** What stands between a part and the system. */
const system = [
  ...facts,
  "env.ts",
  "files.ts",
  "lock.ts",
  "exclusive.ts",
  "processes.ts",
  "libc.ts",
  "beside.ts",
  "event-queue.ts",
  "heard.ts",
];
/** What also knows the user's settings. */
const settings = [...system, "config.ts", "secrets.ts", "../package.json"];

/** What a part of the house may import beside itself. Types are free. A folder that is not here fails. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  surface: facts,
  terminal: facts,
  runs: [...system, "terminal"],
  http: system,
  ssh: system,
  models: [...facts, "surface"],
  agent: [...system, "../package.json", "ci", "http"],
  ci: [...settings, "http", "terminal", "instance", "transfer"],
  hosts: [...settings, "rent", "provider", "ssh", "terminal"],
  exec: [...settings, "hosts", "rent", "background", "ssh", "instance", "terminal", "jobs"],
  jobs: [...settings, "hosts", "rent", "background", "ssh", "instance"],
  transfer: [...settings, "hosts", "rent", "ssh", "instance", "terminal"],
  instance: [...settings, "hosts", "rent", "background", "provider", "ssh", "models"],
  provider: [...settings, "ssh", "http", "agent"],
  rent: [...settings, "provider", "ssh", "http", "models"],
  background: [...settings, "hosts", "ssh", "rent", "provider"],
  recipe: [
    ...settings,
    "../dist/types.bin",
    // What comes along is in the executable as text.
    "../recipes",
    "../dist/test-support.bin",
    "surface",
    "instance",
    "agent",
    "rent",
    "provider",
    "ssh",
    "hosts",
    "exec",
    "jobs",
    "transfer",
    "ci",
    "http",
    "background",
    "emulate",
    "terminal",
    "notify",
    "runs",
  ],
  notify: [...settings, "http"],
  configure: [...settings, "surface", "provider", "models", "terminal"],
  doctor: [...settings, "configure", "http", "background", "rent", "provider", "hosts"],
  emulate: [...system, "provider", "ssh", "terminal"],
  upgrade: [...system, "http", "ssh"],
  commands: [
    ...settings,
    "hosts",
    "exec",
    "jobs",
    "transfer",
    "instance",
    "configure",
    "doctor",
    "models",
    "emulate",
    "surface",
    "recipe",
    "rent",
    "provider",
    "ssh",
    "ci",
    "http",
    "background",
    "terminal",
    "notify",
    "runs",
    "upgrade",
  ],
};

/** Files at the root that put the parts together; the others there are below all parts. */
const above = [
  "main.ts",
  "test-main.ts",
  "app.ts",
  "commands.ts",
  "context.ts",
  "confirm.ts",
  "lookup.ts",
  "outside.ts",
  "idle-look.ts",
  "hosted.ts",
  "next-steps.ts",
  "shortcut.ts",
  "ends.ts",
];
const below = [...settings, "folders.ts", "job-control.ts", "keychain.ts", "spin.ts", "spin.worker.ts"];
const exceptions = [
  // What may be configured is one list, and a mistyped key of it is corrected.
  "config.ts imports configure/keys.ts",
  "config.ts imports surface/suggest.ts",
];

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  const found = text.matchAll(
    /^(?:import|export) (?!type )[^;"]*?from "(\.[^"]+)"|^import "(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm,
  );
  return [...found].map(([, named, bare, lazy]) => normalize(join(dirname(file), named ?? bare ?? lazy ?? "")));
}

/** Its folder, or its name where it has none. */
const partOf = (file: string) =>
  file.startsWith("../recipes/") ? "../recipes" : file.startsWith("..") ? file : file.split("/")[0] ?? "";

test("imports are found, however they are written", () => {
  expect(importsOf("commands.ts").length).toBeGreaterThan(30);
  const all = files.flatMap(importsOf);
  for (const target of ["errors.ts", "../package.json"]) expect(all).toContain(target);
});

test("imports point one way", () => {
  const wrong = files.flatMap((file) => {
    const part = partOf(file);
    if (above.includes(file)) return [];
    const allowed = below.includes(file) ? below : arrows[part];
    if (allowed === undefined) return [`${file} is in no part that is known here`];
    return importsOf(file)
      .filter((target) => partOf(target) !== part && !allowed.includes(partOf(target)))
      .map((target) => `${file} imports ${target}`);
  });
  expect(wrong.toSorted()).toEqual(exceptions.toSorted());
});

test("commands do not import each other", () => {
  const wrong = files.filter((file) => file.startsWith("commands/"))
    .flatMap((file) =>
      importsOf(file).filter((target) => target.startsWith("commands/")).map((target) => `${file} imports ${target}`)
    );
  expect(wrong).toEqual([]);
});

/** Files that name the process, and what for. */
const touching: Readonly<Record<string, string>> = {
  "main.ts": "hands it to the others",
  "test-main.ts": "is the main file of the tests of recipes",
  "outside.ts": "is handed it by main.ts",
  "shortcut.ts": "is handed it by main.ts, where there is no time for a world",
  "ends.ts": "is handed it by shortcut.ts",
};
/** Files that may use one thing of it. */
const touchingOnly: Readonly<Record<string, { readonly uses: RegExp; readonly why: string }>> = {
  "processes.ts": { uses: /process\.kill\b/, why: "sends signals for everybody" },
  "provider/local/machine.ts": { uses: /process\.pid\b/, why: "writes down which process the machine is" },
  "provider/local/hunt.ts": { uses: /process\.pid\b/, why: "must not end itself" },
  "ci/runner/processes.ts": { uses: /process\.pid\b/, why: "must not end itself" },
  "background/reaping.ts": { uses: /process\.pid\b/, why: "says which process watches" },
  "recipe/session.ts": {
    uses: /(printToStderr|takeExitCode|setTraps|hearPrints|lendArguments)\(process\b|process\.pid\b/,
    why: "a recipe sees the real process: what it does to it is caught and undone; its log says which it is",
  },
};

test("only main.ts touches the process", () => {
  const found = files.filter((file) => !(file in touching)).flatMap((file) =>
    linesWithProcess(readFileSync(join(source, file), "utf8"))
      .filter((line) => !touchingOnly[file]?.uses.test(line))
      .map((line) => `${file}: ${line.trim()}`)
  );
  expect(found).toEqual([]);
  const unused = Object.keys({ ...touching, ...touchingOnly }).filter((file) =>
    linesWithProcess(readFileSync(join(source, file), "utf8")).length === 0
  );
  expect(unused).toEqual([]);
});

test.each([
  ['import process from "node:process";', true],
  ['const { exit } = await import("node:process");', true],
  ["process.on(signal, stop);", true],
  ["globalThis.process.exitCode = 3;", true],
  ["setTraps(process, { context });", true],
  ["`${process.pid} is there`", true],
  ['const isolations = ["process", "none"];', false],
  ["// the process ends", false],
  ["/** A process of\n * the process */", false],
  ['import { runBackground } from "./background/process.ts";', false],
  ['say("the process ended: \\"process\\"");', false],
  ["`the process ${name} ended`", false],
])("`%s` touches the process: %p", (code, isTouching) => {
  expect(linesWithProcess(code).length > 0).toBe(isTouching);
});

/** Lines that name `process` outside of comments, texts and names of other modules. */
function linesWithProcess(text: string): string[] {
  const code = text
    .replaceAll(/\/\*[^]*?\*\//g, "")
    .replaceAll(
      /(\b(?:from|import)\s*\(?\s*)?("(?:[^"\\\n]|\\.)*")/g,
      (found, before: string | undefined, text: string) => before && /^"(node:)?process"$/.test(text) ? found : '""',
    )
    .replaceAll(/(^|\s)\/\/.*$/gm, "")
    .replaceAll(/`(?:[^`\\]|\\.)*`/g, (text) => text.match(/\$\{[^}]*\}/g)?.join(" ") ?? "");
  return code.split("\n").filter((line) => /\bprocess\b/.test(line));
}

test("unit tests need nothing but the sources and what the product needs", () => {
  const folder = import.meta.dir;
  const found = readdirSync(folder).filter((file) => file.endsWith(".ts")).flatMap((file) => {
    const text = readFileSync(join(folder, file), "utf8");
    const imports = [...text.matchAll(/\bfrom "([^."][^"]*)"|\bimport\("([^."][^"]*)"\)/g)].map(([, still, lazy]) =>
      still ?? lazy ?? ""
    );
    return Object.keys(project.devDependencies)
      .filter((name) => imports.some((imported) => imported === name || imported.startsWith(`${name}/`)))
      .map((name) => `${file} needs ${name}: it belongs into test/system`);
  });
  expect(found).toEqual([]);
});

test("every file is found by its name, and none is a drawer", () => {
  const drawers = files.filter((file) => /(^|\/)(utils?|helpers?|common|misc)\.ts$/.test(file));
  expect(drawers.map((file) => relative(source, file))).toEqual([]);
});

test("what every command loads is light: no schema, no parser, no SSH", () => {
  const reached = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (reached.has(file) || !file.endsWith(".ts")) return;
    reached.add(file);
    const text = readFileSync(join(source, file), "utf8");
    for (const [, from = ""] of text.matchAll(/^(?:import|export) (?!type )(?:[^;"]*? from )?"([^"]+)"/gm)) {
      if (from.startsWith(".")) visit(normalize(join(dirname(file), from)));
      else if (!from.startsWith("node:")) packages.add(from);
    }
  };
  for (const file of ["main.ts", "app.ts", "outside.ts", "surface/overview.ts"]) visit(file);
  expect([...packages]).toEqual([]);
  expect([...reached].filter((file) => /^(config|commands\/|rent\/|ssh\/|recipe\/)/.test(file))).toEqual([]);
});
