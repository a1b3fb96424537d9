import { UsageError } from "../../errors.ts";
import { suggest } from "../../surface/suggest.ts";
import { outlineOf } from "./outline.ts";
import { parametersOf } from "./list.ts";
import { shippedRecipes } from "./shipped-list.ts";

/** What a recipe can begin as. */
export interface Template {
  readonly name: string;
  readonly summary: string;
  source(): Promise<string>;
}

/** The smallest recipe that does something, and every recipe that comes with `gpu`. */
export const templates: readonly Template[] = [
  {
    name: "minimal",
    summary: "Rent a machine, run a command on it, give it back",
    source: () => Promise.resolve(minimal),
  },
  ...shippedRecipes,
];

/** The template of that name, with or without its `@`. */
export function getTemplate(name: string): Template {
  const wanted = name.replace(/^@/, "");
  const found = templates.find((template) => template.name === wanted);
  if (found) return found;
  const [near] = suggest(wanted, templates.map((template) => template.name));
  throw new UsageError(`there is no template \`${name}\``, {
    hint: near === undefined
      ? `there are ${templates.map((template) => `\`${template.name}\``).join(", ")}`
      : `did you mean \`${near}\`?`,
  });
}

/** What the test of a recipe needs, where its defaults are not enough on a computer that has nothing. */
interface Given {
  readonly imports?: string;
  readonly before?: string;
  readonly input: string;
}

const givenTo: Readonly<Record<string, Given>> = {
  "test-on-gpu": {
    imports: `import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
`,
    before: `// A project whose tests pass.
const dir = mkdtempSync(join(tmpdir(), "project-"));
writeFileSync(join(dir, "gpu-ci.yaml"), "test: 'true'\\n");
afterAll(() => rmSync(dir, { recursive: true }));

`,
    input: "{ dir }",
  },
  "serve-model": {
    before: `// Anything that answers at /v1/models will do; this needs Python here.
const server = 'mkdir -p v1 && echo "{}" > v1/models && exec python3 -m http.server "$PORT" --bind 127.0.0.1';

`,
    input: '{ type: "local", server, port: 18_000 }',
  },
  "matrix-exec": { input: '{ rent: ["local"] }' },
};

/** The test that stands beside a new recipe: it runs to its end for nothing, and leaves nothing. */
export function testOf(name: string, source: string, template: string): string {
  const { imports = "", before = "", input = requiredInput(source) } = givenTo[template] ?? {};
  return `import { ${before.includes("afterAll") ? "afterAll, " : ""}expect, test } from "bun:test";
${imports}import { testRecipe } from "gpu";
import recipe from "./${name}.ts";

${before}test("${name} runs to its end and leaves nothing behind", async () => {
  const { error, leftBehind } = await testRecipe(recipe${input === undefined ? "" : `, { input: ${input} }`});
  expect(error).toBeUndefined();
  expect(leftBehind).toEqual([]);
});
`;
}

/** An example of each parameter that has no default; undefined where all have one. */
function requiredInput(source: string): string | undefined {
  const outline = outlineOf(source);
  const required = outline ? parametersOf(outline).filter(({ isRequired }) => isRequired) : [];
  if (required.length === 0) return undefined;
  return `{ ${required.map((parameter) => `${keyOf(parameter.name)}: ${examples[parameter.type]}`).join(", ")} }`;
}

function keyOf(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

const examples = { string: `"x"`, number: "1", boolean: "true", strings: `["x"]`, numbers: "[1]" } as const;

const minimal = `import { gpu, recipe, z } from "gpu";

export default recipe({
  summary: "Run a command on a rented machine",
  budget: 5, // US dollars: checked before anything is rented
  input: z.object({
    command: z.string().default("uname -a").meta({ positional: true, description: "command for its shell" }),
    type: z.string().optional().describe("instance type; the cheapest that is free when left out"),
    hours: z.number().default(1).describe("lease"),
  }),
  async run({ command, type, hours }) {
    await using box = await gpu.start({ type, hours }); // given back when this scope ends, however it ends
    return await box.exec(command).text();
  },
});
`;
