import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { instanceParams } from "../../instance/params.ts";

export default defineCommand({
  name: "instance resume",
  summary: "Resume an instance that is paused",
  description: "It costs again from now on; `gpu wait` waits until SSH answers.",
  effect: "spend",
  examples: [{ command: "gpu instance resume trainer", says: "by id, the beginning of one, or name" }],
  input: z.object(instanceParams),
  output: z.object({
    id: z.string().describe("the provider's id"),
    provider: z.string().describe("where it is rented"),
  }),
  async plan({ instance, instanceId }, context) {
    const { oneInstance } = await import("../../rent/fleet.ts");
    const { id, pricePerHour } = await oneInstance(context, instance ?? instanceId);
    return { action: `resume ${id} at $${pricePerHour.toFixed(2)}/h`, costDollars: pricePerHour };
  },
  async run({ instance, instanceId }, context) {
    const { oneInstance } = await import("../../rent/fleet.ts");
    const { requireAbility } = await import("../../provider/ability.ts");
    const { id, provider: name } = await oneInstance(context, instance ?? instanceId);
    const provider = await context.provider(name);
    requireAbility(provider, provider.resume, "resume an instance");
    await provider.resume?.(id, context.signal);
    return { id, provider: name };
  },
  view: ({ id }) => `${id} is resuming`,
});
