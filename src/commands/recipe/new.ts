import { z } from "zod";
import { type Context, defineCommand } from "../../command.ts";
import { UsageError } from "../../errors.ts";

export default defineCommand({
  name: "recipe new",
  summary: "Write a new recipe, with its test and types for editors",
  description:
    "NAME.ts, NAME.test.ts, and what `gpu recipe init` writes. A template is `minimal` or a recipe that comes with gpu. On a\n" +
    "terminal it asks for what is not given. A file that is there is never overwritten.",
  effect: "write",
  examples: [
    { command: "gpu recipe new nightly", says: "nightly.ts and nightly.test.ts, here" },
    {
      command: "gpu recipe new tests --template test-on-gpu --dir recipes",
      says: "a copy of `@test-on-gpu`, to be changed",
    },
  ],
  input: z.object({
    name: z.string().optional().meta({ positional: true, description: "name of the recipe" }),
    template: z.string().optional().meta({
      complete: "template",
      description: "what it begins as: `minimal`, or the name of a recipe that comes with gpu",
    }),
    dir: z.string().default(".").meta({ complete: "folder", description: "folder it is written to" }),
  }),
  output: z.object({
    folder: z.string().describe("folder, as an absolute path"),
    template: z.string().describe("what it began as"),
    written: z.array(z.string()).describe("what was written, from that folder"),
    tsconfig: z.enum(["written", "kept", "extends"]).describe(
      "`kept`: there is one that does not lead to the types; `extends`: it does already",
    ),
  }),
  async run({ name, template, dir }, context) {
    const { createRecipe } = await import("../../recipe/library/create.ts");
    const asked = await askFor({ name, template }, context);
    return await createRecipe({ ...asked, dir }, context.world);
  },
  view: ({ written, tsconfig }) => {
    const [file = "", ...others] = written;
    return [
      `${file} is written, with ${others.join(", ")}`,
      {
        stderr:
          `\`gpu run ${file}\` runs it, \`gpu recipe test\` tests it, both for $0.00 until a provider is configured`,
      },
      ...(tsconfig === "kept"
        ? [{
          stderr:
            'a tsconfig.json was there already and stays as it is; editors find the types with `"extends": "./.gpu/tsconfig.json"` in it',
        }]
        : []),
    ];
  },
});

/** What was not given is asked for, where somebody can be asked. */
async function askFor(
  { name, template }: { name: string | undefined; template: string | undefined },
  { world: { terminal }, signal, globals }: Context,
): Promise<{ name: string; template: string }> {
  const { askChoice, askText, canAsk } = await import("../../terminal/ask.ts");
  const { complainOfName } = await import("../../recipe/library/create.ts");
  const { templates } = await import("../../recipe/library/templates.ts");
  const isAsking = canAsk(terminal) && !globals.json && !globals.yes && name === undefined;
  if (!isAsking) {
    if (name !== undefined) return { name, template: template ?? "minimal" };
    throw new UsageError("`<name>` is missing", { hint: "`<name>`: name of the recipe" });
  }
  return {
    name: await askText(terminal, {
      question: "What is it called?",
      flag: "<name>",
      placeholder: "nightly",
      signal,
      complain: complainOfName,
    }),
    template: template ?? await askChoice(terminal, {
      question: "What does it begin as?",
      flag: "--template",
      signal,
      choices: templates.map(({ name, summary }) => ({ value: name, label: name, says: summary })),
    }),
  };
}
