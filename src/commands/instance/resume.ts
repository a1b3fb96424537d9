import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Acted, actOn } from "../../instance/act.ts";
import { instanceParams } from "../../instance/params.ts";

export default defineCommand({
  name: "instance resume",
  summary: "Resume an instance that is paused",
  description: "It costs again from now on; `gpu wait` waits until SSH answers.",
  effect: "spend",
  examples: [{ command: "gpu instance resume trainer", says: "by id, the beginning of one, or name" }],
  input: z.object(instanceParams),
  output: Acted,
  async plan({ instance, instanceId }, context) {
    const { oneInstance } = await import("../../rent/fleet.ts");
    const { requireAbility } = await import("../../provider/ability.ts");
    const { id, pricePerHour, provider: name } = await oneInstance(context, instance ?? instanceId);
    const provider = await context.provider(name);
    requireAbility(provider, provider.resume, "resume an instance");
    return { action: `resume ${id} at $${pricePerHour.toFixed(2)}/h`, costDollars: pricePerHour };
  },
  run: (input, context) => actOn(input, context, "resume"),
  view: ({ id }) => `${id} is resuming`,
});
