import { z } from "zod";
import { type Context, defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import type { Instance } from "../rent/instances.ts";

export default defineCommand({
  name: "stop",
  summary: "Stop instances and end their billing",
  description: "Its disk and everything on it are gone afterwards. An instance that is already gone is no error.",
  effect: "destroy",
  examples: [
    { command: "gpu stop", says: "the only instance there is" },
    { command: "gpu stop i-3f9a1c20 trainer", says: "these two" },
    { command: "gpu stop --all --yes", says: "everything this computer rented, without a question" },
  ],
  input: z.object({
    instances: z.array(z.string()).optional().meta({
      positional: true,
      complete: "instance",
      description: "ids, unique beginnings of ids, or names; may be left out where there is one instance",
    }),
    instanceId: z.string().optional().meta({ hidden: true, complete: "instance", description: "the same, as a flag" }),
    all: z.boolean().default(false).describe("stop all instances that this computer rented"),
  }),
  output: z.array(z.object({
    id: z.string().describe("the provider's id"),
    name: z.string().nullable().describe("its name"),
    state: z.enum(["stopped", "stopping"]).describe("`stopping`: asked to end, not seen gone yet"),
    costDollars: z.number().nullable().describe("what it cost, in US dollars; null when its launch is not known here"),
  })),
  async plan(input, context) {
    const targets = await targetsOf(input, context);
    const isPaid = targets.some(({ pricePerHour }) => pricePerHour > 0);
    if (targets.length === 0 || (!isPaid && !input.all)) return undefined;
    const what = targets.map(({ id, name }) => (name === null ? id : `${id} (${name})`)).join(", ");
    return {
      action: `stop ${what}`,
      loss: targets.length === 1 ? "its disk and all that runs there" : "their disks and all that runs there",
    };
  },
  async run(input, context) {
    const { stopInstance } = await import("../rent/stop.ts");
    const { world, signal, progress } = context;
    const journal = await context.journal();
    const targets = await targetsOf(input, context);
    return await Promise.all(targets.map(async ({ id, token, name, provider, costDollars }) => {
      const state = await stopInstance({
        world,
        journal,
        signal,
        onProgress: progress,
        provider: await context.provider(provider),
        target: { token, instanceId: id },
        why: "gpu stop",
      });
      return { id, name, state, costDollars };
    }));
  },
  view: (stopped) =>
    stopped.length === 0
      ? { stderr: "there is nothing to stop" }
      : stopped.map(({ id, state, costDollars }) =>
        state === "stopping"
          ? `${id} is stopping`
          : `${id} is stopped${costDollars === null ? "" : `, it cost $${costDollars.toFixed(2)}`}`
      ),
});

interface StopInput {
  readonly instances?: string[];
  readonly instanceId?: string;
  readonly all: boolean;
}

async function targetsOf({ instances = [], instanceId, all }: StopInput, context: Context): Promise<Instance[]> {
  const { allInstances, oneInstance } = await import("../rent/fleet.ts");
  const named = [...instances, ...(instanceId === undefined ? [] : [instanceId])];
  if (all && named.length > 0) {
    throw new UsageError("`--all` stops every instance, and some are named too", { hint: "give one or the other" });
  }
  if (all) return (await allInstances(context)).filter(({ owner }) => owner !== "unknown");
  if (named.length === 0) return [await oneInstance(context)];
  const found = await Promise.all(named.map((selector) => oneInstance(context, selector, { includeStopped: true })));
  return found.filter(({ id }, index) => found.findIndex((other) => other.id === id) === index);
}
