import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Acted, actOn } from "../../instance/act.ts";
import { instanceParams } from "../../instance/params.ts";

export default defineCommand({
  name: "instance restart",
  summary: "Restart an instance",
  description: "Its disk stays; what runs there ends.",
  effect: "destroy",
  examples: [{ command: "gpu instance restart trainer", says: "by id, the beginning of one, or name" }],
  input: z.object(instanceParams),
  output: Acted,
  async plan({ instance, instanceId }, context) {
    const { oneInstance } = await import("../../rent/fleet.ts");
    const { id } = await oneInstance(context, instance ?? instanceId);
    return { action: `restart ${id}`, loss: "all that runs there; its disk stays" };
  },
  run: (input, context) => actOn(input, context, "restart"),
  view: ({ id }) => `${id} is restarting; \`gpu wait\` waits until SSH answers`,
});
