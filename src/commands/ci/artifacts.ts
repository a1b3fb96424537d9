import { z } from "zod";
import { jobParam, openClient, serverParams } from "../../ci/client/command.ts";
import { defineCommand } from "../../command.ts";
import { NotFoundError } from "../../errors.ts";
import { oneLine } from "../../safe-text.ts";

export default defineCommand({
  name: "ci artifacts",
  summary: "List or fetch the files that a job left",
  description: "Which they are is said by `artifacts` in the project's `gpu-ci.yaml`.",
  effect: "write",
  examples: [
    { command: "gpu ci artifacts 7c1f", says: "which there are" },
    { command: "gpu ci artifacts 7c1f --output results", says: "all of them, into a folder" },
    { command: "gpu ci artifacts 7c1f reports/junit.xml --output .", says: "one of them" },
  ],
  input: z.object({
    job: jobParam,
    names: z.array(z.string()).default([]).meta({
      positional: true,
      description: "names of files; all of them when left out",
    }),
    output: z.string().optional().meta({
      short: "o",
      complete: "folder",
      placeholder: "folder",
      description: "fetch them into this folder; what has their names there is replaced",
    }),
    ...serverParams,
  }),
  output: z.array(z.object({
    name: z.string().describe("relative to the project"),
    size: z.number().int().describe("in bytes"),
    path: z.string().nullable().describe("where it was written; `null` where it was only listed"),
  })),
  async run({ job, names, output, ...flags }, context) {
    await using open = await openClient(context, flags);
    const { client } = open;
    const jobId = await client.resolveJob(job);
    const there = await client.listArtifacts(jobId);
    const missing = names.find((name) => !there.some((artifact) => artifact.name === name));
    if (missing !== undefined) {
      throw new NotFoundError(`job \`${jobId}\` left no file \`${missing}\``, {
        hint: `\`gpu ci artifacts ${jobId}\` lists what it left`,
      });
    }
    const wanted = there.filter(({ name }) => names.length === 0 || names.includes(name));
    if (output === undefined) return wanted.map((artifact) => ({ ...artifact, path: null }));
    const { resolve } = await import("node:path");
    const { saveArtifact } = await import("../../ci/client/artifact-files.ts");
    const { world, signal, progress } = context;
    const folder = resolve(world.cwd, output);
    const saved = [];
    for (const [index, artifact] of wanted.entries()) {
      progress(`fetching ${index + 1} of ${wanted.length}: ${oneLine(artifact.name)}`);
      const path = await saveArtifact(client, { jobId, artifact }, { world, folder, signal });
      saved.push({ ...artifact, path });
    }
    return saved;
  },
  view: (files) => ({
    columns: ["name", "bytes", ...(files.some(({ path }) => path !== null) ? ["path"] : [])],
    rows: files.map(({ name, size, path }) => [name, String(size), ...(path === null ? [] : [path])]),
    empty: "the job left no files",
  }),
});
