import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "recipe init",
  summary: "Give a folder of recipes its types, for editors",
  description:
    "Writes gpu.d.ts, Bun's and Node's types into the hidden folder .gpu, and a tsconfig.json that leads editors there. Running it\n" +
    "again renews them. A tsconfig.json of your own stays as it is. `gpu run` needs none of these.",
  effect: "write",
  examples: [{ command: "gpu recipe init recipes", says: "in the folder recipes" }],
  input: z.object({
    dir: z.string().default(".").meta({ positional: true, complete: "folder", description: "folder of the recipes" }),
  }),
  output: z.object({
    folder: z.string().describe("folder, as an absolute path"),
    version: z.string().describe("version of `gpu` that the types are of"),
    written: z.array(z.string()).describe("what was written, from that folder"),
    tsconfig: z.enum(["written", "kept", "extends"]).describe(
      "`kept`: there is one that does not lead to the types; `extends`: it does already",
    ),
  }),
  async run({ dir }, { world }) {
    const { initFolder } = await import("../../recipe/init.ts");
    return await initFolder(dir, world);
  },
  view: ({ folder, version, written, tsconfig }) => [
    `${folder} has the types of gpu ${version}: ${written.join(", ")}`,
    ...(tsconfig === "kept"
      ? [{
        stderr:
          'its tsconfig.json was there already and stays as it is; editors find the types with `"extends": "./.gpu/tsconfig.json"` in it',
      }]
      : []),
  ],
});
