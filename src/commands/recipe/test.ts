import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { exitCodes, GpuError } from "../../errors.ts";

export default defineCommand({
  name: "recipe test",
  summary: "Run the tests beside recipes, for free",
  description:
    'A test is a file like `train.test.ts` that imports `test` and `expect` from "bun:test" and `testRecipe` from "gpu".\n' +
    "Its recipes run on machines of this computer or on an emulated cloud, with a home, a journal, a configuration and keys\n" +
    "of their own: nothing is rented, and nothing of yours is used.",
  effect: "write",
  examples: [
    { command: "gpu recipe test", says: "every test below this folder" },
    { command: "gpu recipe test train.ts", says: "the one beside a recipe" },
    { command: "gpu recipe test --watch --filter checkpoints", says: "some of them, again after every change" },
  ],
  input: z.object({
    files: z.array(z.string()).default([]).meta({
      positional: true,
      complete: "file",
      description: "test files, recipes with one beside them, or folders",
    }),
    filter: z.string().optional().meta({
      short: "t",
      placeholder: "pattern",
      description: "only tests whose names match this regular expression",
    }),
    watch: z.boolean().default(false).describe("run again whenever a file changes"),
    check: z.boolean().default(true).describe("check their types first"),
  }),
  output: z.object({
    files: z.array(z.string()).describe("the test files, from the current folder"),
    passed: z.number().int().describe("tests that passed"),
    failed: z.number().int().describe("tests that failed"),
    skipped: z.number().int().describe("tests that were not run"),
    success: z.boolean().describe("nothing failed"),
  }),
  async run({ files: args, filter, watch, check }, context) {
    const { findTests } = await import("../../recipe/rehearse/find-tests.ts");
    const { runTests } = await import("../../recipe/rehearse/run-tests.ts");
    const { world, signal, progress } = context;
    const files = await findTests(args, world);
    if (check) {
      const { checkRecipe, describeDiagnostics } = await import("../../recipe/check.ts");
      for (const { path, name } of files) {
        progress(`checking ${name}`);
        const diagnostics = await checkRecipe(path, world, { signal });
        if (diagnostics.length > 0) {
          throw new GpuError(
            `\`${name}\` does not type-check, and no test was run\n${describeDiagnostics(diagnostics)}`,
            {
              hint: "`gpu recipe test --no-check` runs them all the same",
            },
          );
        }
      }
      progress(undefined);
    }
    const { exitCode, ...counts } = await runTests(
      { files: files.map(({ path }) => path), filter, isWatching: watch },
      context,
    );
    return { files: files.map(({ name }) => name), ...counts, success: exitCode === 0 };
  },
  exitCode: ({ success }) => success ? exitCodes.done : exitCodes.failed,
  // The tests themselves have said it.
  view: () => undefined,
});
