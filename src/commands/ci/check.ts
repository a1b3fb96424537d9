import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "ci check",
  summary: "Say how a project would be tested",
  description:
    "As `gpu ci serve` and every rented machine do it, without running any of it: by the project's `gpu-ci.yaml`, or by\n" +
    "what else is at its root. Where nothing says how, or says it wrongly, it fails: for a look before something is rented.",
  effect: "read",
  examples: [
    { command: "gpu ci check", says: "what would be run for this folder" },
    { command: "gpu ci check --dir project && gpu start", says: "rent only for what can be tested" },
  ],
  input: z.object({
    dir: z.string().default(".").meta({ complete: "folder", placeholder: "folder", description: "project to look at" }),
  }),
  output: z.object({
    because: z.string().describe("the file that says it"),
    setup: z.array(z.string()).describe("shell lines that are run first"),
    test: z.string().describe("the shell line whose exit code is the result"),
  }),
  async run({ dir }, { world }) {
    const { statSync } = await import("node:fs");
    const { resolve } = await import("node:path");
    const { GpuError, UsageError } = await import("../../errors.ts");
    const { ProjectError, readProject } = await import("../../ci/runner/project.ts");
    const folder = resolve(world.cwd, dir);
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
      throw new UsageError(`there is no folder \`${dir}\``);
    }
    try {
      const { because, setup, test } = await readProject(folder, []);
      return { because, setup: [...setup], test };
    } catch (cause) {
      if (!(cause instanceof ProjectError)) throw cause;
      throw new GpuError(`\`${dir}\` cannot be tested: ${cause.message}`, {
        hint: "a `gpu-ci.yaml` with `test: <command>` says how; `gpu ci submit test --help` shows one",
        cause,
      });
    }
  },
  view: ({ because, setup, test }) => [{ stderr: `as ${because} says:` }, ...setup, test],
});
