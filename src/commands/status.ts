import { z } from "zod";
import { defineCommand } from "../command.ts";
import { instanceTable } from "../instance/table.ts";
import { instanceParams } from "../instance/params.ts";
import { UsedInstance } from "../instance/use.ts";

export default defineCommand({
  name: "status",
  summary: "Show what is rented now",
  description:
    "With an instance named, or under `--watch`, its agent is asked too: how busy the GPUs are and how long it has been idle.",
  effect: "read",
  examples: [
    { command: "gpu status", says: "all instances" },
    { command: "gpu status trainer", says: "one, with its GPU use and idle time" },
    { command: "gpu status --watch", says: "and go on showing them" },
    { command: "gpu status --json | jq '.[].id'", says: "for a program" },
  ],
  input: z.object({
    ...instanceParams,
    watch: z.boolean().default(false).meta({ short: "w", description: "show it anew every 2 seconds until Ctrl-C" }),
  }),
  output: z.array(UsedInstance),
  refreshMs: 2000,
  async run({ instance, instanceId, watch }, context) {
    const { allInstances, oneInstance } = await import("../rent/fleet.ts");
    const selector = instance ?? instanceId;
    const { askUse, unasked } = await import("../instance/use.ts");
    const { ownedHosts } = await import("../instance/owned.ts");
    const owned = await ownedHosts(context, { named: selector, isAsked: selector !== undefined || watch });
    if (selector !== undefined && owned.length > 0) return await unasked(context, owned);
    const instances = selector === undefined ? await allInstances(context) : [await oneInstance(context, selector)];
    const used = await (selector === undefined && !watch ? unasked : askUse)(context, instances);
    return [...used, ...await unasked(context, owned)];
  },
  view: (instances, { now }) => [
    instanceTable(instances, now),
    ...instances.flatMap(({ id, warning }) => warning === null ? [] : [{ stderr: `warning: ${id}: ${warning}` }]),
  ],
});
