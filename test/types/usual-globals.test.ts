// What passes the quick check, with few globals, must pass the whole one: what these few say is what Bun and Node say.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { buildTypes } from "../../scripts/types.ts";
import { usualGlobals, usualPath } from "../../scripts/usual-globals.ts";
import { shippedRecipes } from "../../src/recipe/library/shipped-list.ts";
import { type Bench, openBench, removeTestCache } from "../unit/recipe-fixture.ts";

let bench: Bench;
beforeAll(async () => void await buildTypes(), 180_000);
beforeEach(() => {
  bench = openBench();
  Object.assign(bench.world, { folders: { ...bench.world.folders, cache: join(bench.folder, ".cache") } });
});
afterEach(() => bench[Symbol.dispose]());
afterAll(removeTestCache);

const unmarked = usualGlobals.replace(/^ *readonly \[usualGlobalsMark\].*\n/gm, "").replace(/^declare /gm, "");
const interfaces = /^interface .*\{\n(?: .*\n)*\}\n/gm;
/**
 * Things without their marks, which nothing of Bun's has, and functions with the things that they take and give as Bun
 * declares them.
 */
const compared = `import type {} from "bun";
import * as path from "node:path";
declare namespace fewPath {
${usualPath}}
const paths: typeof fewPath = path;
declare namespace few {
${unmarked}
}
declare namespace made {
type AbortSignal = globalThis.AbortSignal;
type AbortController = globalThis.AbortController;
type URL = globalThis.URL;
type Response = globalThis.Response;
type Timer = ReturnType<typeof globalThis.setTimeout>;
${unmarked.replace(interfaces, "")}
}
const values = {
  signal: AbortSignal.abort(),
  controller: new AbortController(),
  url: new URL("http://x"),
  response: new Response(),
};
const things: { signal: few.AbortSignal; controller: few.AbortController; url: few.URL; response: few.Response } = values;
const functions: Pick<
  typeof made,
  | "AbortSignal" | "AbortController" | "URL" | "console" | "process" | "performance" | "crypto"
  | "fetch" | "setTimeout" | "clearTimeout" | "setInterval" | "clearInterval"
> = {
  ...{ AbortSignal, AbortController, URL, console, process, performance, crypto },
  ...{ fetch, setTimeout, clearTimeout, setInterval, clearInterval },
};
export default [things, functions, paths];
`;

const check = async (text: string) => {
  bench.write({ "r.ts": text });
  return await bench.run(["recipe", "check", "r.ts"]);
};
const laidOut = () =>
  readdirSync(join(bench.folder, ".cache/types")).map((key) => join(bench.folder, ".cache/types", key));
const hasAll = () => laidOut().some((folder) => existsSync(join(folder, "all")));

test("each of the usual globals is what it is in Bun", async () => {
  // Those that the functions are compared with are all there are.
  expect([...usualGlobals.matchAll(/^declare const (\w+)/gm)].map(([, name]) => name).toSorted()).toEqual(
    [
      "AbortController",
      "AbortSignal",
      "URL",
      "clearInterval",
      "clearTimeout",
      "console",
      "crypto",
      "fetch",
      "performance",
      "process",
      "setInterval",
      "setTimeout",
      "usualGlobalsMark",
    ],
  );
  expect(await check(compared)).toEqual({ exitCode: 0, stdout: "", stderr: "r.ts is fine" });
  const { stderr } = await check(
    compared.replace("readonly ok: boolean", "readonly ok: number").replaceAll("cwd(): string", "cwd(): boolean")
      .replace(
        "extname(path: string): string",
        "extname(path: string): number",
      ),
  );
  expect(stderr).toContain("Type 'boolean' is not assignable to type 'number'");
  expect(stderr).toContain("Type 'string' is not assignable to type 'boolean'");
  expect(stderr).toContain("Type 'string' is not assignable to type 'number'");
});

test("a usual recipe is checked without the types of Bun and Node", async () => {
  const { stderr } = await check(`import { join } from "node:path";
import { gpu, recipe, sleep } from "gpu";
export default recipe({
  summary: "Usual",
  async run() {
    await using box = await gpu.start({ hours: 1 }, { signal: AbortSignal.timeout(1000) });
    const answer = await fetch(new URL("http://localhost"), { signal: AbortSignal.timeout(1000) });
    console.log(join(process.env["HOME"] ?? "", ".cache"), answer.ok, await box.$\`true\`.text());
    await sleep("1s");
  },
});
`);
  expect(stderr).toBe("r.ts is fine");
  expect(hasAll()).toBe(false);
});

test.each(shippedRecipes.map(({ name, source }) => [name, source] as const))(
  "@%s is one of these",
  async (_, source) => {
    expect((await check(await source())).stderr).toBe("r.ts is fine");
    expect(hasAll()).toBe(false);
  },
);

test("what only looks like a thing of Bun's does not pass for one", async () => {
  const wrong = `import { gpu } from "gpu";\nexport default () => gpu.status({}, { signal: { aborted: true } });\n`;
  const { stderr, exitCode } = await check(wrong);
  expect(stderr).toContain("r.ts:2:");
  expect(stderr).toContain("AbortSignal");
  expect(exitCode).toBe(1);
  expect(hasAll()).toBe(true);
});

const fake = "{ now: () => 1 }";
test.each([
  [
    "a clock of one's own",
    `function read(clock = performance) { return clock.now(); }\nread(${fake});`,
    "'Performance'",
  ],
  ["one among others", `const clocks = [performance];\nclocks.push(${fake});`, "'Performance'"],
  ["a module of one's own", `function read(p = path) { return p; }\nread({ join: () => "" });`, "typeof path"],
  ["fetch by another function", "const get: typeof fetch = (url, options) => fetch(url, options);", "preconnect"],
  ["a timer by another function", "globalThis.setTimeout = () => { throw 1; };", "__promisify__"],
  ["a variable made from a result", "let id = crypto.randomUUID();\nid = 'fixed';", "'\"fixed\"' is not assignable"],
  [
    "what a function takes",
    "export const f = (o: Parameters<typeof fetch>[1]): Record<string, string> | undefined => o?.headers;",
    "'HeadersInit",
  ],
  [
    "what there is not",
    "export const k: Record<keyof typeof performance, 1> = { now: 1 };",
    "'Record<keyof Performance",
  ],
  ["an error that is not shown", "// @ts-ignore\nconst file = Bun.file('x');\nfile.sise;", "'BunFile'"],
  [
    "an error that is none",
    "// @ts-expect-error\nconsole.log(process.platform);",
    "Unused '@ts-expect-error' directive",
  ],
  ["a global's own field", "declare global { interface URL { searchParams: string } }", "'URL'"],
  ["JavaScript", "import { file } from './plain.js';\nfile.sise;", "'BunFile'"],
  ["declarations", "import { file } from './declared.js';\nfile.sise;", "'BunFile'"],
])("what is wrong with all is not right with few: %s", async (_, text, why) => {
  bench.write({
    "plain.js": "export const file = Bun.file('x');\n",
    "declared.js": "export const file = Bun.file('x');\n",
    "declared.d.ts": "export declare const file: Bun.BunFile;\n",
  });
  const checked = await check(`import * as path from "node:path";\n${text}\nexport default () => path.join("a");\n`);
  expect(hasAll()).toBe(true);
  expect(checked.stderr).toContain(why);
  expect(checked.exitCode).toBe(1);
});

test("one that uses more of Bun is checked with all of it", async () => {
  expect((await check("export default () => Bun.file(`x`).size.toFixed();\n")).stderr).toBe("r.ts is fine");
  expect((await check("export default () => Bun.file(`x`).sise;\n")).stderr).toContain(
    "Property 'sise' does not exist on type 'BunFile'",
  );
});
