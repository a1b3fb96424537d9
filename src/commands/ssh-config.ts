import { z } from "zod";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";

export default defineCommand({
  name: "ssh-config",
  summary: "Let ssh, scp, rsync and editors reach instances by name",
  description:
    "Writes a file with a `Host` for each instance, by its name and its id, with the one host key that is believed, and includes " +
    "it in `~/.ssh/config` when you agree. From then on it follows instances as they come and go.",
  effect: "write",
  examples: [
    { command: "gpu ssh-config", says: "print what would be written" },
    { command: "gpu ssh-config --write", says: "write it, and include it in ~/.ssh/config" },
    { command: "rsync -a data/ trainer:data/", says: "from then on" },
    { command: "gpu ssh-config --remove", says: "undo both" },
  ],
  input: z.object({
    print: z.boolean().default(false).describe("print what would be written, and write nothing"),
    write: z.boolean().default(false).describe("write it and keep it up to date"),
    remove: z.boolean().default(false).describe("take away what was written, and the line in ~/.ssh/config"),
  }),
  output: z.object({
    path: z.string().describe("file that is included"),
    userConfig: z.string().describe("configuration of OpenSSH that includes it"),
    isWritten: z.boolean().describe("the file is there and follows the instances"),
    isIncluded: z.boolean().describe("OpenSSH reads it"),
    text: z.string().describe("what it says"),
    did: z.enum(["printed", "written", "removed"]).describe("what was done"),
  }),
  async run({ print, write, remove }, context) {
    if ([print, write, remove].filter(Boolean).length > 1) {
      throw new UsageError("`--print`, `--write` and `--remove` do not go together");
    }
    const { world } = context;
    const files = await import("../rent/openssh-config.ts");
    const { openSshPlace } = await import("../rent/openssh.ts");
    const launches = (await context.journal()).launches({ open: true });
    if (write) {
      const mayInclude = await files.isIncluded(world) || await agree();
      await files.writeOpenSshConfig(world, launches);
      if (mayInclude) await files.include(world);
      else context.note(`\`${files.includeLine(world)}\` at the top of \`~/.ssh/config\` includes it`);
    }
    if (remove) {
      await files.exclude(world);
      await files.removeOpenSshConfig(world);
    }
    const { existsSync } = await import("node:fs");
    const path = openSshPlace(world).config;
    return {
      path,
      userConfig: await files.userConfigPath(world),
      isWritten: existsSync(path),
      isIncluded: await files.isIncluded(world),
      text: await files.openSshConfigText(world, launches),
      did: write ? "written" as const : remove ? "removed" as const : "printed" as const,
    };

    async function agree(): Promise<boolean> {
      const { terminal } = world;
      if (context.globals.yes) return true;
      const { askInTurn, askYesNo, canAsk } = await import("../terminal/ask.ts");
      const userConfig = await files.userConfigPath(world);
      if (context.globals.json || !canAsk(terminal)) {
        throw new UsageError(`this would add a line to \`${userConfig}\`, and nobody can be asked here`, {
          hint: "`--yes` says yes beforehand",
        });
      }
      const question = `Add \`${files.includeLine(world)}\` at the top of ${userConfig}?`;
      return await askInTurn(context, () => askYesNo(question, terminal, context.signal));
    }
  },
  view({ did, text, path, userConfig, isIncluded }) {
    if (did === "printed") return text.trimEnd();
    if (did === "removed") return `${path} is gone, and ${userConfig} does not include it`;
    return isIncluded ? `${path} is written, and ${userConfig} includes it` : `${path} is written`;
  },
});
