import { stat } from "node:fs/promises";
import { basename, extname, join, relative, resolve } from "node:path";
import { GpuError, UsageError } from "../../errors.ts";
import type { World } from "../../world.ts";
import { shortPath } from "../frames.ts";

const isTest = (path: string) => /\.test\.(ts|mts|tsx|js|mjs|jsx)$/.test(path);

/** The test files that arguments mean: tests, recipes with one beside them, folders; everything below here when none. */
export async function findTests(
  args: readonly string[],
  { cwd }: Pick<World, "cwd">,
): Promise<readonly { readonly path: string; readonly name: string }[]> {
  const found = await Promise.all((args.length === 0 ? ["."] : args).map((arg) => testsOf(arg, cwd)));
  return [...new Set(found.flat())].map((path) => ({ path, name: shortPath(path, cwd) }));
}

async function testsOf(arg: string, cwd: string): Promise<string[]> {
  const path = resolve(cwd, arg);
  const kind = await kindOf(path);
  if (kind === "folder") return await testsBelow(path, cwd);
  if (kind === undefined) {
    throw new UsageError(`there is no file \`${arg}\``, {
      hint: "`gpu recipe test` alone runs all that are below here",
    });
  }
  if (isTest(path)) return [path];
  const extension = extname(path);
  const beside = `${path.slice(0, path.length - extension.length)}.test${extension}`;
  if (isTest(beside) && await kindOf(beside) === "file") return [beside];
  throw new GpuError(`there is no test beside \`${arg}\``, {
    hint: `a test of it is \`${shortPath(beside, cwd)}\`, for example:\n${exampleFor(basename(path))}`,
  });
}

async function testsBelow(folder: string, cwd: string): Promise<string[]> {
  const found: string[] = [];
  for await (const path of new Bun.Glob("**/*.test.{ts,mts,tsx,js,mjs,jsx}").scan({ cwd: folder })) {
    if (!path.split(/[\\/]/).includes("node_modules")) found.push(join(folder, path));
  }
  if (found.length > 0) return found.toSorted();
  const where = relative(cwd, folder) === "" ? "below this folder" : `below \`${shortPath(folder, cwd)}\``;
  throw new GpuError(`there is no test ${where}`, {
    hint: `a test is a file like \`train.test.ts\` beside the recipe \`train.ts\`, for example:\n${
      exampleFor("train.ts")
    }`,
  });
}

async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ? "folder" : found && "file";
}

/** A test that passes as it is, for most recipes. */
function exampleFor(file: string): string {
  return [
    'import { expect, test } from "bun:test";',
    'import { testRecipe } from "gpu";',
    `import tried from "./${file}";`,
    "",
    'test("gives back what it rents", async () => {',
    "  const { exitCode, leftBehind } = await testRecipe(tried);",
    "  expect({ exitCode, leftBehind }).toEqual({ exitCode: 0, leftBehind: [] });",
    "});",
  ].map((line) => `    ${line}`.trimEnd()).join("\n");
}
