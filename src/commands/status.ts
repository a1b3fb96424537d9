import { z } from "zod";
import { defineCommand } from "../command.ts";
import { instanceTable } from "../instance/table.ts";
import { instanceParams } from "../instance/params.ts";
import { Instance } from "../rent/instances.ts";

export default defineCommand({
  name: "status",
  summary: "Show what is rented now",
  effect: "read",
  examples: [
    { command: "gpu status", says: "all instances" },
    { command: "gpu status --watch", says: "and go on showing them" },
    { command: "gpu status --json | jq '.[].id'", says: "for a program" },
  ],
  input: z.object({
    ...instanceParams,
    watch: z.boolean().default(false).meta({ short: "w", description: "show it anew every 2 seconds until Ctrl-C" }),
  }),
  output: z.array(Instance),
  refreshMs: 2000,
  async run({ instance, instanceId }, context) {
    const { allInstances, oneInstance } = await import("../rent/fleet.ts");
    const selector = instance ?? instanceId;
    return selector === undefined ? await allInstances(context) : [await oneInstance(context, selector)];
  },
  view: (instances, { now }) => instanceTable(instances, now),
});
