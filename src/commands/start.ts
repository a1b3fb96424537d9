import { z } from "zod";
import { defineCommand } from "../command.ts";
import { spanText } from "../duration.ts";
import { Instance } from "../rent/instances.ts";
import { startParams, toStartRequest } from "../instance/start-params.ts";

export default defineCommand({
  name: "start",
  summary: "Rent an instance and wait until SSH answers",
  description:
    "Each instance has a lease and is stopped when that ends. One that never becomes ready, or does not have the GPUs that\n" +
    "are paid for, is given back and the next offer is tried.\n" +
    "Until a provider is configured or named, it is `local`: a machine on this computer, for $0.00/h.",
  effect: "spend",
  examples: [
    { command: "gpu start", says: "the cheapest that is free, for 4 hours" },
    { command: "gpu start --type gpu_1x_a10,gpu_1x_a100 --hours 0.5", says: "the first of these that is free" },
    { command: "gpu start --model llama-3.1-70b --max-price 4", says: "what has the memory for a model" },
    { command: "gpu start --type gpu_1x_h100_pcie --retry-until-up 6h", says: "go on trying while none is free" },
    { command: "gpu start --no-wait", says: "return at once; `gpu wait` waits" },
  ],
  input: z.object({ ...startParams, wait: z.boolean().default(true).describe("wait until SSH answers") }),
  output: Instance,
  async plan({ wait, ...input }, context) {
    const { planStart } = await import("../instance/start-plan.ts");
    return await planStart(context, await toStartRequest(input, wait, context));
  },
  async run({ wait, ...input }, context) {
    const { startInstance } = await import("../rent/start.ts");
    return await startInstance(context, await toStartRequest(input, wait, context));
  },
  async handle(instance, context) {
    const { openInstanceHandle } = await import("../recipe/instance.ts");
    return await openInstanceHandle(instance, context);
  },
  view: ({ id, name, state, address, readyAt, pricePerHour, leaseEndsAt }, { now }) => {
    const where = address && readyAt ? `ready at ${address.host}:${address.port}` : state;
    return `${name === null ? id : `${id} (${name})`} is ${where}, $${pricePerHour.toFixed(2)}/h, leased for ${
      spanText(Date.parse(leaseEndsAt ?? "") - now)
    }`;
  },
});
