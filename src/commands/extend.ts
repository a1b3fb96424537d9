import { z } from "zod";
import { type Context, defineCommand } from "../command.ts";
import { spanText } from "../duration.ts";

export default defineCommand({
  name: "extend",
  summary: "Make the lease of an instance longer",
  description:
    "Moves the end of the lease wherever it is known: here, on the machine, and in a status daemon that was there before.",
  effect: "spend",
  examples: [
    { command: "gpu extend 2", says: "two more hours for the only instance there is" },
    { command: "gpu extend 0.5 trainer", says: "half an hour more for this one" },
  ],
  input: z.object({
    hours: z.number().positive().meta({ positional: true, description: "hours to add to the lease" }),
    instance: z.string().optional().meta({
      positional: true,
      complete: "instance",
      description: "id, unique beginning of an id, or name; may be left out where there is one",
    }),
    instanceId: z.string().optional().meta({ hidden: true, complete: "instance", description: "the same, as a flag" }),
  }),
  output: z.object({
    id: z.string().describe("the provider's id"),
    name: z.string().nullable().describe("its name"),
    extendedByHours: z.number().describe("hours that were really added"),
    leaseEndsAt: z.iso.datetime().describe("when it is stopped now"),
    leaseMinutesLeft: z.number().int().describe("minutes until then, rounded up"),
    costDollars: z.number().describe("the most these hours cost, in US dollars"),
    limit: z.string().nullable().describe("why fewer hours were added than asked for; null when all were"),
  }),
  async plan({ hours, ...which }, context) {
    const { planExtension } = await import("../rent/extend.ts");
    return await planExtension(context, await launchOf(which, context), hours);
  },
  async run({ hours, ...which }, context) {
    const { extendLease } = await import("../rent/extend.ts");
    return await extendLease(context, await launchOf(which, context), hours);
  },
  view: ({ id, name, leaseEndsAt, extendedByHours, costDollars, limit }, { now }) => {
    const until = `${leaseEndsAt.slice(0, 10)} ${leaseEndsAt.slice(11, 16)} UTC`;
    const cost = `${extendedByHours} h more for ${costDollars > 0 ? "at most " : ""}$${costDollars.toFixed(2)}`;
    const line = `${name === null ? id : `${id} (${name})`} is leased until ${until}: ${
      spanText(Date.parse(leaseEndsAt) - now)
    } left, ${cost}`;
    return limit === null ? line : [{ stderr: `warning: ${limit}` }, line];
  },
});

async function launchOf({ instance, instanceId }: { instance?: string; instanceId?: string }, context: Context) {
  const { oneLaunch } = await import("../rent/fleet.ts");
  return await oneLaunch(context, instance ?? instanceId);
}
