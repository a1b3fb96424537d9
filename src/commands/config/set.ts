import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "config set",
  summary: "Change a setting and keep the file's comments",
  effect: "write",
  takesNewProfile: true,
  examples: [
    { command: "gpu config set defaults.hours 2", says: "a number" },
    { command: "gpu config set defaults.type gpu_1x_a10 gpu_1x_a100", says: "a list, in order of preference" },
    { command: "gpu config set --unset defaults.model", says: "take a setting away" },
  ],
  input: z.object({
    key: z.string().meta({ positional: true, complete: "setting", description: "dotted key: `defaults.hours`" }),
    value: z.array(z.string()).default([]).meta({
      positional: true,
      description: "value, read as YAML; several make a list",
    }),
    unset: z.boolean().default(false).describe("take the setting away"),
  }),
  output: z.object({
    key: z.string().describe("dotted key"),
    value: z.unknown().describe("its value now; null: it was taken away"),
    path: z.string().describe("file that was changed"),
  }),
  async run({ key, value, unset }, context) {
    const { UsageError } = await import("../../errors.ts");
    const { configPath } = await import("../../config.ts");
    const { showKey } = await import("../../configure/keys.ts");
    const { setValue, unsetValue } = await import("../../configure/change-value.ts");
    if (unset === (value.length > 0)) {
      throw unset
        ? new UsageError("`--unset` takes no value")
        : new UsageError(`\`${key}\` needs a value`, { hint: `\`gpu config set --unset ${key}\` takes it away` });
    }
    const change = unset ? await unsetValue(context, key) : await setValue(context, key, value);
    return { key: showKey(change.keys), value: change.value ?? null, path: configPath(context.world) };
  },
  view: ({ key, value }) => ({
    stderr: value === null ? `${key} is not set any more` : `${key} is ${JSON.stringify(value)}`,
  }),
});
