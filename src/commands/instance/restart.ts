import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { instanceParams } from "../../instance/params.ts";

export default defineCommand({
  name: "instance restart",
  summary: "Restart an instance",
  description: "Its disk stays; what runs there ends.",
  effect: "destroy",
  examples: [{ command: "gpu instance restart trainer", says: "by id, the beginning of one, or name" }],
  input: z.object(instanceParams),
  output: z.object({
    id: z.string().describe("the provider's id"),
    provider: z.string().describe("where it is rented"),
  }),
  async plan({ instance, instanceId }, context) {
    const { oneInstance } = await import("../../rent/fleet.ts");
    const { id } = await oneInstance(context, instance ?? instanceId);
    return { action: `restart ${id}`, loss: "all that runs there; its disk stays" };
  },
  async run({ instance, instanceId }, context) {
    const { oneInstance } = await import("../../rent/fleet.ts");
    const { requireAbility } = await import("../../provider/ability.ts");
    const { id, provider: name } = await oneInstance(context, instance ?? instanceId);
    const provider = await context.provider(name);
    requireAbility(provider, provider.restart, "restart an instance");
    await provider.restart?.(id, context.signal);
    return { id, provider: name };
  },
  view: ({ id }) => `${id} is restarting; \`gpu wait\` waits until SSH answers`,
});
