import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Setting } from "../../configure/settings.ts";

export default defineCommand({
  name: "config get",
  summary: "Print a setting as it is in force",
  description: "A flag wins over the environment, that over the profile, that over the default. Secrets are stars.",
  effect: "read",
  examples: [
    { command: "gpu config get defaults.hours", says: "one value" },
    { command: "gpu config get providers.lambda --json", says: "all below a key" },
  ],
  input: z.object({
    key: z.string().meta({ positional: true, complete: "setting", description: "dotted key: `defaults.hours`" }),
  }),
  output: Setting,
  async run({ key }, context) {
    const { NotFoundError } = await import("../../errors.ts");
    const { readKey } = await import("../../configure/keys.ts");
    const { settingOf } = await import("../../configure/settings.ts");
    const setting = await settingOf(context, readKey(key, await context.config()));
    if (setting) return setting;
    throw new NotFoundError(`\`${key}\` is not set`, { hint: `\`gpu config set ${key} <value>\` sets it` });
  },
  view: ({ value }) => settingText(value),
});

function settingText(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join("\n");
  return typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
}
