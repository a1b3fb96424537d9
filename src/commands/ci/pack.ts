import { z } from "zod";
import { filesText, sizeText } from "../../ci/pack/text.ts";
import { type Context, defineCommand } from "../../command.ts";
import type { Sink } from "../../world.ts";

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
    { command: "gpu ci pack --output - | sha256sum", says: "into a pipe: the same files have the same sum" },
  ],
  input: z.object({
    dir: z.string().default(".").meta({ complete: "folder", placeholder: "folder", description: "project to pack" }),
    output: z.string().optional().meta({
      short: "o",
      complete: "file",
      placeholder: "file",
      description: "where the archive goes, `-` for standard output; a file is replaced when the archive is whole",
    }),
    list: z.boolean().default(false).describe("list the files; nothing is written without `--output`"),
    ignore: z.boolean().default(true).describe("leave out what `.gitignore` and `.gpuignore` name"),
  }),
  output: z.object({
    output: z.string().nullable().describe("the archive, where one was written; `-` is standard output"),
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
    const stdout = output === "-" ? await stdoutFor({ list }, context) : undefined;
    const { packForCommand, warn } = await import("../../ci/pack/project.ts");
    const { resolve } = await import("node:path");
    const path = output === undefined || stdout ? undefined : resolve(context.world.cwd, output);
    const pack = await packForCommand({ dir, ignore, use: "write", except: path }, context);
    const { leftOut, skipped } = pack.plan;
    const { writeStreamWhole } = await import("../../ci/pack/file.ts");
    const writing = stdout !== undefined
      ? copyTo(stdout, pack.stream())
      : path !== undefined
      ? writeStreamWhole(path, pack.stream())
      : null;
    // Nothing leaves this computer, so the look at what it is need not come first.
    const looking = warn(pack, context, { isWhole: list });
    // Also when looking was given up: a file that will not be whole is to go first.
    await Promise.allSettled([writing, looking]);
    const [packedBytes, warnings] = await Promise.all([writing, looking]);
    context.progress(undefined);
    const files = pack.plan.files.filter(({ name }) => !pack.gone.has(name));
    return {
      output: output ?? null,
      files: files.length,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      packedBytes,
      leftOut,
      skipped: [...skipped],
      warnings,
      list: list ? files.map(({ name, bytes }) => ({ name, bytes })) : null,
    };
  },
  view: ({ output, files, bytes, packedBytes, list }) => {
    const size = `${filesText(files)}, ${sizeText(bytes)}`;
    const packed = packedBytes === null ? size : `${size}, packed ${sizeText(packedBytes)}`;
    return [
      ...(list === null ? [] : [{
        columns: ["size", "name"],
        rows: list.map(({ name, bytes }) => [String(bytes), JSON.stringify(name).slice(1, -1)]),
      }]),
      // Standard output is the archive's.
      output === null || output === "-" ? { stderr: packed } : `${output}: ${packed}`,
    ];
  },
});

/** Standard output, where nothing but an archive goes there. */
async function stdoutFor({ list }: { list: boolean }, { attached }: Context): Promise<Sink> {
  const { UsageError } = await import("../../errors.ts");
  const hint = "`--output project.zip` writes it to a file";
  if (attached === undefined) {
    throw new UsageError("the archive cannot go to standard output, where the result is to be read", { hint });
  }
  if (list) throw new UsageError("the archive and the list cannot both go to standard output", { hint });
  if (attached.stdout.isTTY) {
    throw new UsageError("the archive is not written to a terminal", {
      hint: "`gpu ci pack --output - > project.zip`, or a pipe, takes it",
    });
  }
  return attached.stdout;
}

async function copyTo(sink: Sink, stream: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const part of stream) {
    await sink.write(part);
    bytes += part.length;
  }
  return bytes;
}
