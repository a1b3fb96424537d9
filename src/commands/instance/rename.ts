import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "instance rename",
  summary: "Give an instance another name",
  description: "The launch token stays in the name at the provider: `gpu` finds the instance by it.",
  effect: "write",
  examples: [{ command: "gpu instance rename i-3f9a1c20 trainer", says: "from now on `trainer` means it" }],
  input: z.object({
    instance: z.string().meta({
      positional: true,
      complete: "instance",
      description: "id, unique beginning of an id, or name",
    }),
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/, "letters, digits, `-` and `_`, at most 40").meta({
      positional: true,
      description: "name from now on",
    }),
  }),
  output: z.object({ id: z.string().describe("the provider's id"), name: z.string().describe("its name now") }),
  async run({ instance, name }, context) {
    const { oneLaunch } = await import("../../rent/fleet.ts");
    const launch = await oneLaunch(context, instance);
    const provider = await context.provider(launch.provider);
    const id = launch.instanceId ?? launch.token;
    // The name at the provider is for people who look there; which one is meant is the journal's to say.
    await provider.rename?.(id, `${name}-${launch.token}`.slice(0, provider.facts.nameMax), context.signal);
    (await context.journal()).rename(launch.token, name);
    return { id, name };
  },
  view: ({ id, name }) => `${id} is called ${name}`,
});
