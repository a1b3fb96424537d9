import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { exitCodes } from "../../errors.ts";

export default defineCommand({
  name: "recipe check",
  summary: "Check the types of a recipe without running it",
  description:
    "Needs nothing but this executable. What lies in the folder is not read, except what the recipe imports.",
  effect: "read",
  examples: [{ command: "gpu recipe check train.ts", says: "what `gpu run` does first" }],
  input: z.object({
    file: z.string().meta({ positional: true, complete: "file", description: "file of the recipe" }),
  }),
  output: z.object({
    file: z.string().describe("the file, from the current folder"),
    success: z.boolean().describe("nothing is wrong"),
    diagnostics: z.array(z.object({
      file: z.string().describe("file it is in"),
      line: z.number().int().describe("line, the first is 1"),
      column: z.number().int().describe("column, the first is 1"),
      code: z.string().describe("TypeScript's number for it"),
      message: z.string().describe("what is wrong"),
      frame: z.string().describe("the lines of source it is about"),
    })).describe("what is wrong"),
  }),
  async run({ file }, { world, signal }) {
    const { openRecipe } = await import("../../recipe/load.ts");
    const { checkRecipe } = await import("../../recipe/check.ts");
    const { path, name } = await openRecipe(file, world);
    const diagnostics = await checkRecipe(path, world, signal);
    return { file: name, success: diagnostics.length === 0, diagnostics };
  },
  exitCode: ({ success }) => success ? exitCodes.done : exitCodes.failed,
  view: ({ file, diagnostics }) => {
    if (diagnostics.length === 0) return { stderr: `${file} is fine` };
    const shown = diagnostics.map(({ file, line, column, code, message, frame }) =>
      `${file}:${line}:${column}: ${message} (${code})\n${frame}`
    );
    return { stderr: shown.join("\n\n") };
  },
});
