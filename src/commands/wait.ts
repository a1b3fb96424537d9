import { z } from "zod";
import { defineCommand } from "../command.ts";
import { Instance } from "../rent/instances.ts";

export default defineCommand({
  name: "wait",
  summary: "Wait until SSH answers on an instance",
  description: "An instance that never becomes ready is given back, and the error says so.",
  effect: "write",
  examples: [{ command: "gpu start --no-wait && gpu wait", says: "launch and wait as two steps" }],
  input: z.object({
    instance: z.string().optional().meta({
      positional: true,
      complete: "instance",
      description: "id, unique beginning of an id, or name; may be left out where there is one",
    }),
    readyTimeout: z.number().positive().optional().meta({
      placeholder: "seconds",
      description: "seconds it may take until SSH answers; the provider's own limit when left out",
    }),
  }),
  output: Instance,
  async run({ instance, readyTimeout }, context) {
    const { oneLaunch } = await import("../rent/fleet.ts");
    const { bootInstance } = await import("../rent/boot.ts");
    const launch = await oneLaunch(context, instance);
    return await bootInstance(context, launch, { timeoutMs: readyTimeout && readyTimeout * 1000, isOurs: false });
  },
  async handle(instance, context) {
    const { openInstanceHandle } = await import("../recipe/instance.ts");
    return await openInstanceHandle(instance, context);
  },
  view: ({ id, name, address }) =>
    `${name === null ? id : `${id} (${name})`} is ready${address ? ` at ${address.host}:${address.port}` : ""}`,
});
