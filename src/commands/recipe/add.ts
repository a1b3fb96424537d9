import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "recipe add",
  summary: "Install an npm package for the recipes of a folder",
  description:
    "Bun's `add`, which is in this executable: the version is pinned in package.json and bun.lock, and no script of a package is\n" +
    "run. Addresses, files and repositories are refused. Recipes then import it by its name, with its types, or with those\n" +
    "of `@types` where it brings none.",
  effect: "write",
  examples: [
    { command: "gpu recipe add date-fns", says: "for the recipes of the current folder" },
    { command: "gpu recipe add yaml@2.9.1 --dir recipes", says: "this version, for another folder" },
  ],
  input: z.object({
    package: z.string().meta({
      positional: true,
      description: "name, and `@version` where it is to be another than the newest",
    }),
    dir: z.string().default(".").meta({ complete: "folder", description: "folder of the recipes" }),
  }),
  output: z.object({
    folder: z.string().describe("folder, as an absolute path"),
    name: z.string().describe("name of the package"),
    version: z.string().describe("version that is pinned"),
    made: z.array(z.string()).describe("files that were missing in the folder and were made"),
    installed: z.number().int().describe("packages that are installed there now, those that others need too"),
  }),
  async run({ package: wanted, dir }, { world, signal, progress }) {
    const { addPackage } = await import("../../recipe/library/add.ts");
    progress(`installing ${wanted}`);
    return await addPackage({ dir, wanted, world, signal });
  },
  view: ({ folder, name, version, made, installed }) => [
    `${name} ${version} is installed in ${folder}${made.length > 0 ? `, with a new ${made.join(", ")}` : ""}`,
    {
      stderr:
        `${installed === 1 ? "1 package is" : `${installed} packages are`} there now; no script of any was run; ` +
        `\`import … from "${name}"\``,
    },
  ],
});
