import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "recipe init",
  summary: "Give a folder of recipes its types, for editors",
  description:
    "Writes gpu.d.ts, Bun's and Node's types into the hidden folder .gpu, and a tsconfig.json that leads editors there. Running it\n" +
    "again renews them. A tsconfig.json of your own stays as it is. `gpu run` needs none of these.",
  effect: "write",
  examples: [
    { command: "gpu recipe init recipes", says: "in the folder recipes" },
    { command: "gpu recipe init --deno", says: "here, and for an editor that asks Deno" },
  ],
  input: z.object({
    dir: z.string().default(".").meta({ positional: true, complete: "folder", description: "folder of the recipes" }),
    deno: z.boolean().default(false).describe("write a deno.json too, for editors that use Deno's language server"),
  }),
  output: z.object({
    folder: z.string().describe("folder, as an absolute path"),
    version: z.string().describe("version of `gpu` that the types are of"),
    written: z.array(z.string()).describe("what was written, from that folder"),
    tsconfig: z.enum(["written", "kept", "extends"]).describe(
      "`kept`: there is one that does not lead to the types; `extends`: it does already",
    ),
    deno: z.enum(["written", "kept", "leads"]).nullable().describe(
      "`kept`: there is a deno.json that does not lead to the types; `leads`: it does already; null: not asked for",
    ),
  }),
  async run({ dir, deno }, { world }) {
    const { initFolder } = await import("../../recipe/init.ts");
    return await initFolder(dir, world, { forDeno: deno });
  },
  view: ({ folder, version, written, tsconfig, deno }) => [
    `${folder} has the types of gpu ${version}: ${written.join(", ")}`,
    ...(tsconfig === "kept"
      ? [{
        stderr:
          'its tsconfig.json was there already and stays as it is; editors find the types with `"extends": "./.gpu/tsconfig.json"` in it',
      }]
      : []),
    ...(deno === "kept"
      ? [{
        stderr:
          'its deno.json was there already and stays as it is; Deno finds the types with `"imports": { "gpu": "./gpu.d.ts" }` in it',
      }]
      : []),
  ],
});
