import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { instanceTable } from "../../instance/table.ts";
import { Instance } from "../../rent/instances.ts";

export default defineCommand({
  name: "instance list",
  summary: "List instances, those of other computers too",
  effect: "read",
  examples: [{ command: "gpu instance list --provider lambda", says: "of one provider" }],
  input: z.object({}),
  output: z.array(Instance),
  async run(_input, context) {
    const { allInstances } = await import("../../rent/fleet.ts");
    const { provider } = context.globals;
    const { ownedHosts } = await import("../../instance/owned.ts");
    const instances = [...await allInstances(context), ...await ownedHosts(context, { isAsked: false })];
    return provider === undefined ? instances : instances.filter((instance) => instance.provider === provider);
  },
  view: (instances, { now }) => instanceTable(instances, now),
});
