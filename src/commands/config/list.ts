import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Setting } from "../../configure/settings.ts";

export default defineCommand({
  name: "config list",
  summary: "List settings and where each comes from",
  description: "Secrets are listed by name and place; what they are is never shown.",
  effect: "read",
  examples: [{ command: "gpu config list --profile work", says: "as they are with another profile" }],
  input: z.object({}),
  output: z.array(Setting),
  async run(_input, context) {
    const { allSettings } = await import("../../configure/settings.ts");
    return await allSettings(context);
  },
  view: (settings) => ({
    columns: ["setting", "value", "source", "from"],
    rows: settings.map(({ key, value, source, from }) => [key, cellText(value), source, from ?? "-"]),
    narrow: [
      { column: "from", min: 14 },
      { column: "value", min: 24 },
      { column: "from" },
      { column: "value", min: 12 },
      { column: "source" },
    ],
  }),
});

function cellText(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
