import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { outlineOf } from "../../src/recipe/library/outline.ts";
import { shippedRecipes } from "../../src/recipe/library/shipped-list.ts";
import { parametersOf } from "../../src/recipe/library/list.ts";
import { isRecipe } from "../../src/recipe/define.ts";
import { provideModule } from "../../src/recipe/provide.ts";
import { importedNames } from "../../src/recipe/imports.ts";
import { readParams } from "../../src/surface/params.ts";

const folder = join(import.meta.dir, "../../recipes");
const files = readdirSync(folder).filter((file) => /^[a-z-]+\.ts$/.test(file));

for (const file of files) {
  test(`${file}: what is read of it is what running it says`, async () => {
    provideModule();
    const { default: recipe } = await import(join(folder, file));
    if (!isRecipe(recipe)) throw new Error("no recipe");
    const outline = outlineOf(readFileSync(join(folder, file), "utf8"));
    expect(outline).toMatchObject({ kind: "recipe", isWhole: true, summary: recipe.summary });
    expect(outline?.budget).toBe(recipe.budget);
    expect(outline?.description).toBe(recipe.description);
    expect(outline && readParams(outline.input)).toEqual(readParams(recipe.input));
  });
}

test("every recipe in recipes/ comes with gpu, and needs nothing beside itself", async () => {
  expect(shippedRecipes.map(({ name }) => `${name}.ts`)).toEqual(files.toSorted());
  for (const { name, source } of shippedRecipes) {
    const text = await source();
    expect(text).toBe(readFileSync(join(folder, `${name}.ts`), "utf8"));
    expect(importedNames(text).filter((from) => !/^(?:gpu|node:\w+)$/.test(from))).toEqual([]);
  }
});

test("constants, methods, templates, regular expressions and comments are read for what they are", () => {
  const outline = outlineOf(`
    import { recipe, z } from "gpu";
    // recipe({ summary: "not this" })
    const summary = \`It's "this"\`, pattern = /["'\`{]/g, hours = z.number().int().min(1).default(2);
    const input = z.object({ hours, "dry-run": z.boolean().default(false), at: z.array(z.enum(["x", "y"])).optional() });
    function helper() { return { summary: "{nor this" }; }
    const made = recipe({
      budget: 2.5, summary, input,
      async run({ hours }: { hours: number }) { const text = \`\${\`\${hours}\`}}\`; return text.replace(pattern, "}"); },
    });
    export { made as default };
  `);
  expect(outline).toMatchObject({ kind: "recipe", summary: `It's "this"`, budget: 2.5, isWhole: true });
  expect(outline && parametersOf(outline).map(({ usage, type }) => [usage, type])).toEqual([
    ["[--hours <hours>]", "number"],
    ["[--dry-run]", "boolean"],
    ["[--at <at>...]", "strings"],
  ]);
});

test("what is computed is not guessed, and said to be missing", () => {
  const read = (definition: string) =>
    outlineOf(`import { recipe, z } from "gpu"; export default recipe(${definition});`);
  expect(read(`{ summary: "A" + "B" + process.pid, run() {} }`)).toMatchObject({ summary: undefined, isWhole: false });
  expect(read(`{ summary: "A", budget: Number(process.env.B), run() {} }`)).toMatchObject({
    budget: undefined,
    isWhole: false,
  });
  expect(read(`{ summary: "A", ...others }`)).toMatchObject({ summary: "A", isWhole: false });
  expect(read(`{ summary: "A", input: shape() }`)).toMatchObject({ summary: "A", isWhole: false });
  expect(read(`definition`)).toMatchObject({ kind: "recipe", summary: undefined, isWhole: false });
  const computed = read(
    `{ summary: "A", input: z.object({ seed: z.number().default(Date.now()).describe("chance") }) }`,
  );
  expect(computed && parametersOf(computed)).toMatchObject([{
    name: "seed",
    isRequired: false,
    description: "chance",
  }]);
});

test("nothing of a file is run, and no file is too strange to be read", () => {
  const canary = join(import.meta.dir, "canary-of-outline");
  const hostile = [
    `import { recipe } from "gpu"; await Bun.write(${
      JSON.stringify(canary)
    }, ""); export default recipe({ summary: "A" });`,
    `import { recipe, z } from "gpu"; export default recipe({ summary: "A", input: z.object({ a: z.constructor("1")() }) });`,
    `import { recipe, z } from "gpu"; export default recipe({ summary: "A", input: z.object({ __proto__: z.string(), a: z.string().__proto__.x() }) });`,
    `import { recipe } from "gpu"; export default recipe(${"[".repeat(50_000)}`,
    `import { recipe } from "gpu"; export default recipe(${"[".repeat(9000)}${"]".repeat(9000)});`,
    "import 'gpu'; export default `${`${`",
    `import "gpu"; const a = b, b = a; export default a;`,
    "\0\x1b[2J import gpu",
    "",
  ];
  for (const source of hostile) outlineOf(source);
  expect(readdirSync(import.meta.dir)).not.toContain("canary-of-outline");
  expect(outlineOf(`import { readFile } from "node:fs"; export default 1;`)).toBeUndefined();
  expect(outlineOf(`import { gpu } from "gpu"; await gpu.start();`)?.kind).toBe("script");
  expect(outlineOf(`import { gpu } from "gpu"; export default async function () { await gpu.start(); }`)?.kind).toBe(
    "function",
  );
});
