import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "recipe list",
  summary: "List recipes: here, your own, and those that come along",
  description:
    "Those of a folder, those in the folder `recipes` beside the configuration, and those that are in this executable, as `@name`.\n" +
    "They are read, not run: where a summary, a budget or a parameter is computed, `gpu run <recipe> --help` knows more.",
  effect: "read",
  examples: [
    { command: "gpu recipe list", says: "in the current folder, and everywhere else" },
    { command: "gpu recipe list recipes --json", says: "with the type, default and description of each parameter" },
  ],
  input: z.object({
    dir: z.string().default(".").meta({ positional: true, complete: "folder", description: "folder to look in" }),
  }),
  output: z.array(z.object({
    name: z.string().describe("what `gpu run` takes"),
    from: z.enum(["file", "personal", "shipped"]).describe(
      "`file`: of the folder; `personal`: yours, beside the configuration; `shipped`: comes with gpu",
    ),
    kind: z.enum(["recipe", "function", "script"]).describe(
      "`function`: the file exports a function; `script`: it exports nothing",
    ),
    summary: z.string().nullable().describe("what it does, in its own words"),
    budget: z.number().nullable().describe("the most it may spend, in US dollars; null where it does not say"),
    parameters: z.array(z.object({
      name: z.string().describe("name of the field"),
      usage: z.string().describe("how it is given on the command line"),
      type: z.enum(["string", "number", "boolean", "strings", "numbers"]).describe("type of its value"),
      isRequired: z.boolean().describe("it has to be given"),
      default: z.unknown().describe("its value when it is not given; null where there is none"),
      description: z.string().describe("what it is"),
    })).describe("its parameters, as far as they can be read"),
    isWhole: z.boolean().describe("nothing of the above is computed, so it is all there is"),
  })),
  async run({ dir }, { world }) {
    const { listRecipes } = await import("../../recipe/library/list.ts");
    return (await listRecipes(dir, world)).map((recipe) => ({ ...recipe, parameters: [...recipe.parameters] }));
  },
  view: (recipes) => ({
    columns: ["name", "budget", "does", "parameters"],
    rows: recipes.map(({ name, budget, summary, kind, parameters, isWhole }) => [
      name,
      budget === null ? "-" : `$${budget}`,
      summary ?? { recipe: "-", function: "a function", script: "a script" }[kind],
      [...parameters.map(({ usage }) => usage), ...(isWhole ? [] : ["…"])].join(" "),
    ]),
    narrow: [{ column: "parameters" }, { column: "does", min: 20 }],
  }),
});
