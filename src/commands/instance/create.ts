import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Instance } from "../../rent/instances.ts";
import { startParams, toStartRequest } from "../../instance/start-params.ts";

export default defineCommand({
  name: "instance create",
  summary: "Rent an instance and return while it boots",
  description: "`gpu start` is the same and waits until SSH answers; `gpu wait` does that afterwards.",
  effect: "spend",
  examples: [{ command: "gpu instance create --type gpu_1x_a10 && gpu wait", says: "launch and wait as two steps" }],
  input: z.object(startParams),
  output: Instance,
  async plan(input, context) {
    const { planStart } = await import("../../instance/start-plan.ts");
    return await planStart(context, await toStartRequest(input, false, context));
  },
  async run(input, context) {
    const { startInstance } = await import("../../rent/start.ts");
    return await startInstance(context, await toStartRequest(input, false, context));
  },
  async handle(instance, context) {
    const { openInstanceHandle } = await import("../../recipe/instance.ts");
    return await openInstanceHandle(instance, context);
  },
  view: ({ id, state, pricePerHour }) =>
    `${id} is ${state}, $${pricePerHour.toFixed(2)}/h; \`gpu wait ${id}\` waits until it is ready`,
});
