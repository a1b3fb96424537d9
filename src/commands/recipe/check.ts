import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { exitCodes } from "../../errors.ts";

export default defineCommand({
  name: "recipe check",
  summary: "Check the types of recipes without running them",
  description:
    "Needs nothing but this executable. What lies in the folder is not read, except what the recipes import. Without a file\n" +
    "it is all the recipes of the current folder, their tests too.",
  effect: "read",
  examples: [
    { command: "gpu recipe check train.ts", says: "what `gpu run` does first" },
    { command: "gpu recipe check", says: "every recipe here" },
  ],
  input: z.object({
    files: z.array(z.string()).default([]).meta({
      positional: true,
      complete: "recipe|file",
      description: "files of recipes",
    }),
  }),
  output: z.array(z.object({
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
  })),
  async run({ files }, { world, signal }) {
    const { checkRecipes } = await import("../../recipe/library/check-all.ts");
    return await checkRecipes(files, world, signal);
  },
  exitCode: (checked) => checked.every(({ success }) => success) ? exitCodes.done : exitCodes.failed,
  view: (checked) =>
    checked.map(({ file, diagnostics }) => {
      if (diagnostics.length === 0) return { stderr: `${file} is fine` };
      const shown = diagnostics.map(({ file, line, column, code, message, frame }) =>
        `${file}:${line}:${column}: ${message} (${code})\n${frame}`
      );
      return { stderr: shown.join("\n\n") };
    }),
});
