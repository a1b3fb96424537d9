import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "config path",
  summary: "Print where the configuration is",
  effect: "read",
  examples: [{ command: '$EDITOR "$(gpu config path)"', says: "change it by hand" }],
  input: z.object({}),
  output: z.object({
    config: z.string().describe("configuration file; it need not be there"),
    credentials: z.string().describe("secrets that are not in a keychain"),
    state: z.string().describe("folder of the journal, SSH keys and local machines"),
    cache: z.string().describe("folder of what can be made again"),
  }),
  async run(_input, { world }) {
    const { configPath } = await import("../../config.ts");
    const { credentialsPath } = await import("../../secrets.ts");
    const { state, cache } = world.folders;
    return { config: configPath(world), credentials: credentialsPath(world), state, cache };
  },
  view: ({ config }) => config,
});
