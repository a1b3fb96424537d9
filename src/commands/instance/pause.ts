import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { instanceParams } from "../../instance/params.ts";

export default defineCommand({
  name: "instance pause",
  summary: "Pause an instance and keep its disk",
  description: "Where a provider can: the disk and its cost stay. `gpu stop` ends all billing.",
  effect: "write",
  examples: [{ command: "gpu instance pause trainer", says: "by id, the beginning of one, or name" }],
  input: z.object(instanceParams),
  output: z.object({
    id: z.string().describe("the provider's id"),
    provider: z.string().describe("where it is rented"),
  }),
  async run({ instance, instanceId }, context) {
    const { oneInstance } = await import("../../rent/fleet.ts");
    const { requireAbility } = await import("../../provider/ability.ts");
    const { id, provider: name } = await oneInstance(context, instance ?? instanceId);
    const provider = await context.provider(name);
    requireAbility(provider, provider.pause, "pause an instance");
    await provider.pause?.(id, context.signal);
    return { id, provider: name };
  },
  view: ({ id }) => `${id} is paused; its disk still costs`,
});
