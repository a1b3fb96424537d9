import { describe, expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { executable, Home, useCompiled } from "./compiled.ts";

useCompiled();

const recipe = (body: string) =>
  `import { gpu, recipe, z } from "gpu";
export default recipe({ summary: "Show an exit", input: z.object({}), async run() {
${body}
} });
`;

/** Exit code, and a word of the one sentence on stderr. */
const recipes: Readonly<Record<string, { source?: string; code: number; says?: string }>> = {
  "is done": { source: recipe("  return { success: true };"), code: 0 },
  "says it did not succeed": { source: recipe("  return { success: false };"), code: 1 },
  "throws": { source: recipe('  throw new Error("out of luck");'), code: 1, says: "out of luck" },
  "calls process.exit": { source: recipe("  process.exit(7);"), code: 7 },
  "does not exist": { code: 2, says: "recipe.ts" },
  "does not parse": { source: "export default recipe({", code: 1 },
  "does not type-check": {
    source: recipe('  const hours: number = "four";\n  return { hours };'),
    code: 1,
    says: "hours",
  },
  "exports nothing": { source: 'console.log("a script");\n', code: 0 },
  "forgets an await": { source: recipe("  gpu.start({ hours: 0.1 });\n  return {};"), code: 1, says: "await" },
};

describe("a recipe that", () => {
  test.concurrent.each(Object.entries(recipes))("%s", async (_, { source, code, says }) => {
    await using home = new Home();
    if (source !== undefined) home.write("recipe.ts", source);
    const ended = await home.run(["run", "recipe.ts", "--yes"]);
    expect({ code: ended.code, stderr: ended.code === code ? "" : ended.stderr }).toEqual({ code, stderr: "" });
    if (says) expect(ended.stderr).toContain(says);
    await home.expectNothingLeft();
  });
});

describe("a command line that cannot be understood exits with 2 and says what is meant", () => {
  test.each([
    ["statsu", "status"],
    ["start --huors 3", "--hours"],
    ["ci", "submit"],
  ])("gpu %s", async (line, says) => {
    await using home = new Home();
    const { code, stdout, stderr } = await home.run(line.split(" "));
    if (line === "ci") return expect({ code, isHelp: stdout.includes(says) }).toEqual({ code: 0, isHelp: true });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(says);
  });
});

test("under the name `ci` it is the client of CI servers", async () => {
  await using home = new Home();
  const ci = join(home.path, "ci");
  symlinkSync(executable, ci);
  const help = await home.run(["list", "--help"], { file: ci });
  expect(help).toEqual(await home.run(["ci", "list", "--help"]));
  expect(help.code).toBe(0);
  expect((await home.run(["lits"], { file: ci })).code).toBe(2);
});

test("an unknown instance", async () => {
  await using home = new Home();
  const { code, stdout, stderr } = await home.run(["exec", "nobody", "--", "true"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("nobody");
  expect(stderr).toContain("hint:");
});

test("under --json an error is an object on stderr and stdout stays empty", async () => {
  await using home = new Home();
  const { code, stdout, stderr } = await home.run(["exec", "nobody", "--json", "--", "true"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(JSON.parse(stderr)).toMatchObject({
    error: { kind: "not-found", message: expect.stringContaining("nobody") },
  });
});

test("gpu --help | head -1 ends quietly", async () => {
  await using home = new Home();
  const child = Bun.spawn(["bash", "-c", 'set -o pipefail; "$0" --help | head -1', executable], {
    env: { HOME: home.path, PATH: "/usr/bin:/bin" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect({ code, stderr, lines: stdout.trimEnd().split("\n").length }).toEqual({ code: 0, stderr: "", lines: 1 });
});
