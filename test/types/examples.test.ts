// The code in the guide, in README.md and in the comments that editors show has to be right, too.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildTypes } from "../../scripts/types.ts";
import { readTypes } from "../../src/recipe/types.ts";
import { type Bench, openBench, removeTestCache } from "../unit/recipe-fixture.ts";

const root = join(import.meta.dir, "../..");
let bench: Bench;
beforeAll(async () => void await buildTypes(), 180_000);
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench[Symbol.dispose]());
afterAll(removeTestCache);

for (const page of ["README.md", "src/surface/topics/recipes.md"]) {
  test(`the code in ${page} has no wrong type`, async () => {
    expect(await problemsOf(codeIn(readFileSync(join(root, page), "utf8")))).toEqual([]);
  }, 30_000);
}

test("the examples that editors show have no wrong type", async () => {
  const { gpu: types } = await readTypes();
  const comments = types.match(/^[ \t]*\/\*\*[\s\S]*?\*\//gm) ?? [];
  const code = comments.flatMap((comment) => codeIn(comment.replace(/^[ \t]*\* ?/gm, "")));
  expect(code.filter((text) => text.includes("gpu.")).length).toBeGreaterThan(60);
  expect(await problemsOf(code.filter((text) => !isOfZod(text)))).toEqual([]);
}, 60_000);

/** zod's own examples know nothing of `gpu`. */
function isOfZod(code: string): boolean {
  return !/\b(?:gpu|box|recipe|step|parallel|retry|poll|sleep|notify|ask|secrets|onExit|table|bar)\b|\$`/.test(code);
}

/** Blocks of TypeScript, without those that are meant to be wrong. */
function codeIn(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts(?: (\S+))?\n([\s\S]*?)\n```$/gm)]
    .flatMap(([, name = "", code = ""]) => name.startsWith("wrong") ? [] : [code]);
}

/** All of it in one file, each piece a function that is given what examples take for granted. */
async function problemsOf(pieces: readonly string[]): Promise<string[]> {
  const functions = pieces.map((code, index) => {
    const body = whole(code).replace(/^import .*$/gm, "").replace(/^export default /gm, "const recipe0 = ")
      .replace(/^export /gm, "");
    return `async function piece${index}() { {\n${body}\n} }\nvoid piece${index};`;
  });
  const names = "expect, test";
  bench.write({
    "examples.ts": [
      `import * as everything from "gpu";`,
      `import type * as gpu from "gpu";`,
      `import { ${names} } from "bun:test";`,
      `import { stat, readFile, writeFile } from "node:fs/promises";`,
      `import { rm } from "node:fs/promises";`,
      `void [${names}, stat, readFile, writeFile, rm];`,
      // What examples take for granted.
      "declare const box: gpu.InstanceHandle, from: typeof box, to: typeof box, tunnel: gpu.TunnelHandle, job: gpu.JobHandle, greet: gpu.Recipe;",
      "declare const url: string, epoch: number, loss: number, train: gpu.Recipe & (() => Promise<void>);",
      "declare function download(url: string): Promise<Uint8Array>; declare function push(): Promise<void>;",
      ...functions.map((text) => text.replaceAll(/(?<![\w.])gpu\.(?=[a-z])/g, "everything.gpu.")),
      ...exportsOf(pieces),
    ].join("\n"),
  });
  const { stdout, stderr } = await bench.run(["recipe", "check", "examples.ts", "--json"]);
  if (stdout === "") return [stderr];
  const [checked] = JSON.parse(stdout);
  return checked.diagnostics.map(({ message, frame }: { message: string; frame: string }) => `${message}\n${frame}`);
}

/** A part of `recipe({ … })` is shown alone. */
function whole(code: string): string {
  if (!/^\w+: [\s\S]*,$/.test(code.trim())) return code;
  return `recipe({ summary: "", run: () => Promise.resolve([{ type: "", costDollars: 0 }]),\n${code}\n});`;
}

/** What a recipe imports by name is there by name. */
function exportsOf(pieces: readonly string[]): string[] {
  const words = [
    "$",
    "bar",
    "duration",
    "log",
    "notify",
    "ask",
    "onExit",
    "parallel",
    "poll",
    "recipe",
    "retry",
    "secrets",
    "size",
    "sleep",
    "step",
    "table",
    "testRecipe",
    "TestClock",
    "z",
    "GpuError",
    "ShellError",
    "waitForJob",
    "listJobs",
    "submitTestsAsync",
    "submitTestsStreaming",
    "createProjectZip",
  ];
  return words.filter((word) => word === "recipe" || pieces.some((piece) => piece.includes(word))).map((word) =>
    `import { ${word} } from "gpu";`
  );
}
