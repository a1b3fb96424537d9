import { z } from "zod";
import { type Command, defineCommand } from "../../command.ts";
import { highlight, plain } from "../../recipe/library/highlight.ts";

export default defineCommand({
  name: "recipe show",
  summary: "Show what a recipe does and takes, and its source",
  description:
    "It is read, not run. In a pipe or a file there is the source alone, so a recipe that comes with gpu becomes one of your own.",
  effect: "read",
  examples: [
    { command: "gpu recipe show @test-on-gpu", says: "its help and its source" },
    { command: "gpu recipe show @test-on-gpu > mine.ts", says: "a copy, to be changed and run" },
  ],
  input: z.object({
    recipe: z.string().meta({
      positional: true,
      complete: "recipe|file",
      description: "file, `@name`, or the name of one beside the configuration",
    }),
  }),
  output: z.object({
    name: z.string().describe("what `gpu run` takes"),
    from: z.enum(["file", "personal", "shipped"]).describe("where it was found"),
    help: z.string().describe("what `gpu run <recipe> --help` says, as far as it can be read"),
    source: z.string().describe("its text"),
  }),
  async run({ recipe }, { world }) {
    const { findRecipe } = await import("../../recipe/library/find.ts");
    const { outlineOf } = await import("../../recipe/library/outline.ts");
    const { commandHelp } = await import("../../surface/help.ts");
    const { pageWidth } = await import("../../surface/reflow.ts");
    const { name, from, source, path } = await findRecipe(recipe, world);
    const outline = outlineOf(source, path.endsWith("x") ? "tsx" : "ts");
    const usage = `gpu run ${name}`;
    if (outline === undefined) return { name, from, source, help: `Usage: ${usage}` };
    const { summary = `Run the ${outline.kind} ${name}`, description, budget, input, isWhole } = outline;
    const command: Command = defineCommand({
      name: `run ${name}`,
      summary,
      description: [
        ...(description === undefined ? [] : [description]),
        ...(budget === undefined ? [] : [`May spend $${budget}.`]),
        ...(isWhole ? [] : ["Some of it is computed: `--help` runs the file and knows more."]),
      ].join("\n") || undefined,
      effect: "write",
      input,
      output: z.unknown(),
      run: () => Promise.resolve(undefined),
      view: () => undefined,
    });
    return { name, from, source, help: commandHelp(command, { usage, width: pageWidth(world.terminal.stdout) }) };
  },
  view: ({ help, source }, { isTTY, isColored }) => {
    if (!isTTY) return new TextEncoder().encode(source);
    return [help, "", isColored === false ? plain(source.trimEnd()) : highlight(source.trimEnd())];
  },
});
