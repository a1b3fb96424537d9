import { z } from "zod";
import { filesText, sizeText } from "../../ci/pack/text.ts";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "ci pack",
  summary: "Write the archive that a submission would send",
  description:
    "For a look at it before it leaves: `gpu ci submit test` sends exactly these bytes. The same files give the same\n" +
    "archive, whatever their times and owners are.",
  effect: "write",
  examples: [
    { command: "gpu ci pack --list", says: "what would be sent, and why not the rest" },
    { command: "gpu ci pack --output project.zip", says: "the archive itself" },
  ],
  input: z.object({
    dir: z.string().default(".").meta({ complete: "folder", placeholder: "folder", description: "project to pack" }),
    output: z.string().optional().meta({
      short: "o",
      complete: "file",
      placeholder: "file",
      description: "where the archive goes; a file that is there is replaced when the archive is whole",
    }),
    list: z.boolean().default(false).describe("list the files; nothing is written without `--output`"),
    ignore: z.boolean().default(true).describe("leave out what `.gitignore` and `.gpuignore` name"),
  }),
  output: z.object({
    output: z.string().nullable().describe("the archive, where one was written"),
    files: z.number().describe("how many files are in it"),
    bytes: z.number().describe("their size"),
    packedBytes: z.number().nullable().describe("the size of the archive, where one was written"),
    leftOut: z.object({
      files: z.number().describe("files that ignore files leave out"),
      bytes: z.number().describe("their size"),
    }).describe("what stays here because ignore files name it"),
    skipped: z.array(z.object({
      name: z.string().describe("what cannot be sent"),
      why: z.string().describe("the reason"),
    })).describe("what cannot be sent"),
    warnings: z.array(z.string()).describe("what one may not want to send"),
    list: z.array(z.object({
      name: z.string().describe("name in the archive"),
      bytes: z.number().describe("size of the file"),
    })).nullable().describe("the files, with `--list`"),
  }),
  async run({ dir, output, list, ignore }, context) {
    const { UsageError } = await import("../../errors.ts");
    if (output === undefined && !list) {
      throw new UsageError("nothing says where the archive goes", {
        hint: "`--output project.zip` writes it, `--list` shows what would be in it",
      });
    }
    const { packForCommand } = await import("../../ci/pack/project.ts");
    const { resolve } = await import("node:path");
    const path = output === undefined ? undefined : resolve(context.world.cwd, output);
    const pack = await packForCommand({ dir, ignore, use: "write", except: path }, context);
    const { files, bytes, leftOut, skipped, warnings } = pack.plan;
    const packedBytes = path === undefined ? null : await writeArchive(path);
    return {
      output: output ?? null,
      files: files.length,
      bytes,
      packedBytes,
      leftOut,
      skipped: [...skipped],
      warnings: [...warnings],
      list: list ? files.map(({ name, bytes }) => ({ name, bytes })) : null,
    };

    async function writeArchive(path: string): Promise<number> {
      const { writeStreamWhole } = await import("../../ci/pack/file.ts");
      const bytes = await writeStreamWhole(path, pack.stream());
      context.progress(undefined);
      return bytes;
    }
  },
  view: ({ output, files, bytes, packedBytes, list }) => [
    ...(list === null ? [] : [{
      columns: ["size", "name"],
      rows: list.map(({ name, bytes }) => [String(bytes), JSON.stringify(name).slice(1, -1)]),
    }]),
    ...(output === null || packedBytes === null
      ? [{ stderr: `${filesText(files)}, ${sizeText(bytes)}` }]
      : [`${output}: ${filesText(files)}, ${sizeText(bytes)}, packed ${sizeText(packedBytes)}`]),
  ],
});
