import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, spyOn, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { buildTypes } from "../../scripts/types.ts";
import { type Bench, openBench, removeTestCache } from "../unit/recipe-fixture.ts";

let bench: Bench;
beforeAll(async () => void await buildTypes(), 180_000);
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench[Symbol.dispose]());
afterAll(removeTestCache);

const good = `import { recipe, z } from "gpu";
export default recipe({ summary: "Count", input: z.object({ count: z.number().default(1) }), run: ({ count }) => count.toFixed(1) });
`;

/** How often the checker itself was started. */
function countChecks(): { readonly count: number } & Disposable {
  const spy = spyOn(Bun, "spawn");
  return {
    get count() {
      return spy.mock.calls.filter(([command]) => Array.isArray(command) && command.includes("--no-script")).length;
    },
    [Symbol.dispose]: () => spy.mockRestore(),
  };
}

test("a recipe that does not type-check does not run, and says where and why", async () => {
  bench.write({ "recipes/r.ts": good.replace("toFixed", "toFixd").replace("export", `console.error("ran");\nexport`) });
  const { exitCode, stdout, stderr } = await bench.run(["run", "recipes/r.ts"]);
  expect(stderr).toContain("error: `recipes/r.ts` does not type-check, and nothing of it was run\nrecipes/r.ts:3:");
  expect(stderr).toContain("Property 'toFixd' does not exist on type 'number'");
  expect(stderr).toMatch(/\(TS2551\)\n {2}2 \| .*\n {2}3 \| ….*toFixd.*\n {4}\| +\^/);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
});

test("`recipe check` reports the same as JSON", async () => {
  bench.write({ "r.ts": good.replace("count.toFixed(1)", "count.length") });
  const { exitCode, stdout } = await bench.run(["recipe", "check", "r.ts", "--json"]);
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject([{
    file: "r.ts",
    success: false,
    diagnostics: [{ file: "r.ts", line: 2, code: "TS2339" }],
  }]);
});

test("`--json` behind the file holds for what is wrong with it, too", async () => {
  bench.write({ "r.ts": good.replace("toFixed", "toFixd") });
  for (const file of ["r.ts", "nothing.ts"]) {
    const { exitCode, stderr } = await bench.run(["run", file, "--json"]);
    expect(JSON.parse(stderr)).toMatchObject({ error: { message: expect.stringContaining(`\`${file}\``) } });
    expect(exitCode).toBe(file === "r.ts" ? 1 : 2);
  }
});

test("a missing await is called one, and of a long line there is the part that matters", async () => {
  const long = `/* ${"x".repeat(150)} */ await box.$\`true\`; /* ${"y".repeat(150)} */`;
  bench.write({ "r.ts": `import { gpu } from "gpu";\nconst box = gpu.start();\n${long}\n` });
  const { stderr } = await bench.run(["recipe", "check", "r.ts"]);
  expect(stderr).toContain("\n  Did you forget to use 'await'? (TS2339)\n");
  const [, shown = "", mark = ""] = /\n( {2}3 \| …x.*…)\n( {4}\| +\^)/.exec(stderr) ?? [];
  expect(shown.slice(mark.length - 1)).toStartWith("$`true`");
  expect(shown.length).toBeLessThan(110);
});

test("a file that does not parse hides nothing of the others", async () => {
  bench.write({ "broken.ts": "const a = (;\n", "wrong.ts": good.replace("toFixed", "toFixd"), "good.ts": good });
  const { exitCode, stderr } = await bench.run(["recipe", "check", "broken.ts", "wrong.ts", "good.ts"]);
  expect(stderr).toContain("broken.ts:1:12: Expression expected. (TS1109)");
  expect(stderr).toContain("Property 'toFixd' does not exist");
  expect(stderr).toContain("good.ts is fine");
  expect(exitCode).toBe(1);
});

test("all of a folder are its files: a folder or a pipe that is called like one is passed over", async () => {
  bench.write({ "good.ts": good, "folder.ts/x.txt": "" });
  await Bun.$`mkfifo ${join(bench.folder, "pipe.ts")}`.quiet();
  expect(await bench.run(["recipe", "check"])).toEqual({ exitCode: 0, stdout: "", stderr: "good.ts is fine" });
});

test("console, process, Bun and node: modules have types, and a floating stream of code is no error", async () => {
  bench.write({
    "r.ts": `import { readFileSync } from "node:fs";
import { gpu, recipe, $, parallel } from "gpu";
console.log(process.env["HOME"], Bun.version, readFileSync("/dev/null", "utf8").length);
export default recipe({ summary: "Types", async run() {
  await using box = await gpu.start({ hours: 1 });
  const names = await parallel(["a", "b"], (name) => box.$\`echo \${name} \${[1, 2]}\`.text(), { limit: 1 });
  const { exitCode } = await $\`true\`.nothrow().timeout("5s");
  return { success: exitCode === 0, names };
} });
`,
  });
  const { stderr, exitCode } = await bench.run(["recipe", "check", "r.ts"]);
  expect({ stderr, exitCode }).toEqual({ stderr: "r.ts is fine", exitCode: 0 });
});

test("that a recipe is fine is remembered by its content and that of what it imports, types too", async () => {
  using checks = countChecks();
  bench.write({
    "r.ts": `import type { N } from "./types.ts";\n${good}export const n: N = 1;\n`,
    "types.ts": "export type N = number;\n",
  });
  expect((await bench.run(["recipe", "check", "r.ts"])).exitCode).toBe(0);
  expect((await bench.run(["recipe", "check", "r.ts"])).exitCode).toBe(0);
  expect(checks.count).toBe(1);
  bench.write({ "types.ts": "export type N = string;\n" });
  expect((await bench.run(["recipe", "check", "r.ts"])).stderr).toContain(
    "Type 'number' is not assignable to type 'string'",
  );
  // What is wrong with few globals may be right with all.
  expect(checks.count).toBe(3);
});

test.skipIf(process.platform === "win32")("a pipe that is imported is waited for by nobody", async () => {
  bench.write({ "r.ts": `import { x } from "./pipe.ts";\nconsole.log(x);\n` });
  Bun.spawnSync(["mkfifo", join(bench.folder, "pipe.ts")]);
  const { exitCode, stderr } = await bench.run(["run", "r.ts"]);
  expect(stderr).toContain("r.ts:1:19: Cannot find module './pipe.ts'");
  expect(exitCode).toBe(1);
});

test.each([
  ["behind a name of package.json's imports", "#lib", "lib.ts"],
  ["in a linked package of one's own", "own", "packages/own/own.ts"],
  ["beside the JavaScript that is named", "./x.js", "x.ts"],
  ["behind a folder's package.json", "./folder", "folder/z.ts"],
])("a file %s counts as well", async (_, from, file) => {
  using checks = countChecks();
  bench.write({
    "package.json": `{"imports":{"#lib":"./lib.ts"}}`,
    "packages/own/package.json": `{"name":"own","main":"own.ts"}`,
    "x.js": "export const n = 1;\n",
    "folder/package.json": `{"types":"./z.ts","main":"./z.ts"}`,
    "r.ts": `import { n } from "${from}";\nexport default () => n.toFixed();\n`,
    [file]: "export const n: number = 1;\n",
  });
  mkdirSync(join(bench.folder, "node_modules"));
  symlinkSync("../packages/own", join(bench.folder, "node_modules/own"));
  expect((await bench.run(["recipe", "check", "r.ts"])).stderr).toBe("r.ts is fine");
  const { count } = checks;
  expect((await bench.run(["recipe", "check", "r.ts"])).stderr).toBe("r.ts is fine");
  expect(checks.count).toBe(count);
  bench.write({ [file]: "export const n: string = '1';\n" });
  expect((await bench.run(["recipe", "check", "r.ts"])).stderr).toContain("'toFixed' does not exist on type 'string'");
});

test("what is saved while it is checked is checked again, and no verdict is about another text", async () => {
  const wrong = good.replace("toFixed", "toFixd");
  bench.write({ "r.ts": wrong });
  const real = Bun.spawn;
  using spy = spyOn(Bun, "spawn").mockImplementationOnce(
    ((...given: Parameters<typeof Bun.spawn>) => {
      bench.write({ "r.ts": good });
      return real(...given);
    }) as typeof Bun.spawn,
  );
  expect(await bench.run(["recipe", "check", "r.ts"])).toMatchObject({ exitCode: 0, stderr: "r.ts is fine" });
  expect(spy.mock.calls.length).toBe(2);
  bench.write({ "r.ts": wrong });
  expect((await bench.run(["recipe", "check", "r.ts"])).exitCode).toBe(1);
});

test("a checker that was killed is called that", async () => {
  bench.write({ "r.ts": good });
  const real = Bun.spawn;
  using _ = spyOn(Bun, "spawn").mockImplementation(
    ((...given: Parameters<typeof Bun.spawn>) => {
      const child = real(...given);
      child.kill("SIGKILL");
      return child;
    }) as typeof Bun.spawn,
  );
  expect(await bench.run(["run", "r.ts"])).toMatchObject({
    exitCode: 1,
    stderr: "error: the types of `r.ts` could not be checked:\nthe checker was ended by SIGKILL\n" +
      "hint: `gpu run --no-check` runs it without",
  });
});

test("nothing in a hostile folder is run or read", async () => {
  bench.write({
    "r.ts": good,
    "package.json": `{"scripts":{"check":"touch HACKED; exit 9","precheck":"touch HACKED"}}`,
    "bunfig.toml": `preload = ["./hack.ts"]`,
    "hack.ts": `require("fs").writeFileSync("HACKED", "")`,
    ".env": "CI_API_KEY=stolen",
    "tsconfig.json":
      `{"compilerOptions":{"strict":true,"noImplicitAny":true,"types":["nothing"],"paths":{"gpu":["./gpu.d.ts"]}}}`,
    "gpu.d.ts": "export const nothing: 1;",
    "node_modules/gpu/index.d.ts": "export const nothing: 1;",
    "node_modules/@types/evil/index.d.ts": "declare const console: never;",
  });
  expect(await bench.run(["recipe", "check", "r.ts"])).toEqual({ exitCode: 0, stdout: "", stderr: "r.ts is fine" });
  expect(existsSync(join(bench.folder, "HACKED"))).toBe(false);
});

test("two at once lay the types out once", async () => {
  bench.write({ "r.ts": good, "s.ts": good });
  const cache = join(bench.folder, ".cache");
  Object.assign(bench.world, { folders: { ...bench.world.folders, cache } });
  const results = await Promise.all(["r.ts", "s.ts"].map((file) => bench.run(["recipe", "check", file])));
  expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  expect(readdirSync(join(cache, "types"))).toHaveLength(1);
});

test("`recipe init` gives editors all types; a tsconfig.json of one's own stays", async () => {
  const { exitCode } = await bench.run(["recipe", "init"]);
  expect(exitCode).toBe(0);
  const recipes = join(import.meta.dir, "../../recipes");
  for (const name of readdirSync(recipes).filter((file) => file.endsWith(".ts"))) {
    bench.write({ [name]: readFileSync(join(recipes, name), "utf8") });
  }
  bench.write({ "wrong.ts": `import { gpu } from "gpu"; void gpu.start({ hours: "1" });` });
  // The compiler takes seconds for a program: one shows both, that right is right and wrong is wrong.
  expect(diagnosticsOf(bench.folder)).toEqual(["wrong.ts: Type 'string' is not assignable to type 'number'."]);

  writeFileSync(join(bench.folder, "tsconfig.json"), `{ "compilerOptions": {} }`);
  const again = await bench.run(["recipe", "init"]);
  expect(again.stderr).toContain(`"extends": "./.gpu/tsconfig.json"`);
  expect(readFileSync(join(bench.folder, "tsconfig.json"), "utf8")).toBe(`{ "compilerOptions": {} }`);
}, 30_000);

test("`gpu run` says when the types beside a recipe are of another version", async () => {
  bench.write({ "r.ts": good, "gpu.d.ts": "// gpu 0.0.1 0123456789abcdef: made by `gpu recipe init`\n" });
  const { stderr, stdout } = await bench.run(["run", "r.ts"]);
  expect(stderr).toContain("`gpu recipe init` renews it");
  expect(stdout).toBe("1.0\n");
});

test("`recipe init` needs a folder", async () => {
  mkdirSync(join(bench.folder, "there"));
  expect((await bench.run(["recipe", "init", "there"])).exitCode).toBe(0);
  bench.write({ "there/gpu.d.ts": "export {};" });
  expect((await bench.run(["recipe", "init", "there"])).stderr).toContain("was not made by `gpu recipe init`");
  rmSync(join(bench.folder, "there"), { recursive: true });
  expect(await bench.run(["recipe", "init", "there"])).toMatchObject({
    exitCode: 2,
    stderr: "error: there is no folder `there`\nhint: `mkdir there` makes it",
  });
});

/** What the TypeScript of an editor says of a folder, with the tsconfig.json that it finds there. */
function diagnosticsOf(folder: string): string[] {
  const file = join(folder, "tsconfig.json");
  const parsed = ts.getParsedCommandLineOfConfigFile(file, {}, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: () => {},
  });
  const program = ts.createProgram({ rootNames: parsed?.fileNames ?? [], options: parsed?.options ?? {} });
  return [...(parsed?.errors ?? []), ...ts.getPreEmitDiagnostics(program)].map(({ file, messageText }) =>
    `${file?.fileName.split("/").at(-1)}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
  );
}

describe("the cache of types", () => {
  const folder = () => join(bench.folder, ".cache/types");
  const types = () => join(folder(), readdirSync(folder())[0] ?? "");
  const check = (count: number) => {
    bench.write({ "r.ts": `import "node:fs";\n${good}// ${count}\n` });
    return bench.run(["recipe", "check", "r.ts"]);
  };
  beforeEach(() => {
    Object.assign(bench.world, { folders: { ...bench.world.folders, cache: join(bench.folder, ".cache") } });
  });

  const damages: [string, () => void][] = [
    ["an empty file", () => writeFileSync(join(types(), "gpu.d.ts"), "")],
    ["a file cut off", () => truncateSync(join(types(), "all/node_modules/bun-types/index.d.ts"), 100)],
    ["no files", () => rmSync(join(types(), "gpu.d.ts"))],
    ["no files in all", () => {
      rmSync(join(types(), "all"), { recursive: true });
      mkdirSync(join(types(), "all"));
    }],
  ];
  test.each(damages)("is mended where a crash or a cleaner left %s", async (_, damage) => {
    expect(await check(1)).toMatchObject({ exitCode: 0 });
    damage();
    expect(await check(2)).toMatchObject({ exitCode: 0, stderr: "r.ts is fine" });
    expect(await check(3)).toMatchObject({ exitCode: 0 });
  });

  test("where it cannot be written is an error that says what to do", async () => {
    mkdirSync(join(bench.folder, ".cache"));
    writeFileSync(folder(), "in the way");
    const { exitCode, stderr } = await check(1);
    expect(stderr).toStartWith(`error: cannot write the types of recipes to \`${folder()}/`);
    expect(stderr).toEndWith(
      ": a part of the path is not a folder\nhint: XDG_CACHE_HOME names another folder for what is kept between runs",
    );
    expect(exitCode).toBe(1);
  });

  test("where what is in it cannot be written is an error as well, not a bug", async () => {
    expect(await check(1)).toMatchObject({ exitCode: 0 });
    const projects = join(types(), "projects");
    rmSync(projects, { recursive: true });
    writeFileSync(projects, "in the way");
    const { exitCode, stderr } = await check(2);
    expect(stderr).toStartWith(`error: cannot write \`${projects}/`);
    expect(stderr).toEndWith("\nhint: XDG_CACHE_HOME names another folder for what is kept between runs");
    expect(exitCode).toBe(1);
  });

  test("where a verdict cannot be kept the recipe is checked each time", async () => {
    expect(await check(1)).toMatchObject({ exitCode: 0 });
    const verdicts = join(types(), "verdicts");
    rmSync(verdicts, { recursive: true });
    writeFileSync(verdicts, "in the way");
    using checks = countChecks();
    for (const count of [1, 2]) {
      expect(await check(2)).toEqual({ exitCode: 0, stdout: "", stderr: "r.ts is fine" });
      expect(checks.count).toBe(count);
    }
  });
});
