import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { instanceParams } from "../../instance/params.ts";
import { Instance } from "../../rent/instances.ts";

export default defineCommand({
  name: "instance get",
  summary: "Show everything that is known of one instance",
  effect: "read",
  examples: [{ command: "gpu instance get trainer", says: "by id, the beginning of one, or name" }],
  input: z.object(instanceParams),
  output: Instance,
  async run({ instance, instanceId }, context) {
    const { oneInstance } = await import("../../rent/fleet.ts");
    return await oneInstance(context, instance ?? instanceId, { includeStopped: true });
  },
  view: (instance) => ({
    columns: ["what", "value"],
    rows: Object.entries(instance).flatMap(([name, value]) => value === null ? [] : [[wordsOf(name), textOf(value)]]),
  }),
});

function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function textOf(value: string | number | Record<string, string | number>): string {
  return typeof value === "object" ? Object.values(value).join(" ") : String(value);
}
