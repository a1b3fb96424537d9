import { z } from "zod";
import { defineCommand } from "../command.ts";
import { minutesUntil, spanText } from "../duration.ts";

export default defineCommand({
  name: "adopt",
  summary: "Take an instance that is not in the journal into it",
  description:
    "For a machine that was launched elsewhere, or whose journal is lost: from now on it has a lease here, `gpu status`\n" +
    "counts its cost and `gpu stop` knows it. Its host key is not known beforehand: the one it shows now is believed from\n" +
    "then on, and its fingerprint is printed.",
  effect: "spend",
  examples: [
    { command: "gpu adopt 0920582c7ff041399e34823a0be62549 --hours 2", says: "keep it for two hours, then stop it" },
    { command: "gpu adopt 3f9a1c2000000000000a --dry-run", says: "by its launch token; only look" },
  ],
  input: z.object({
    instance: z.string().meta({
      positional: true,
      complete: "instance",
      description: "id, unique beginning of an id, name or launch token",
    }),
    hours: z.number().positive().default(1).meta({
      short: "H",
      description: "lease in hours from now: the instance is stopped when it ends",
    }),
    dryRun: z.boolean().default(false).describe("show what would be taken and change nothing"),
  }),
  output: z.object({
    id: z.string().describe("the provider's id"),
    name: z.string().nullable().describe("its name at the provider"),
    provider: z.string().describe("where it is rented"),
    type: z.string().describe("instance type"),
    pricePerHour: z.number().describe("US dollars an hour"),
    leaseEndsAt: z.iso.datetime().describe("when it is stopped"),
    leaseMinutesLeft: z.number().int().describe("minutes until then, rounded up"),
    costDollars: z.number().describe("the most it can cost from now on, in US dollars"),
    token: z.string().nullable().describe("its launch token in the journal; null where it has none yet"),
    hostKeyFingerprint: z.string().nullable().describe("of the host key that is believed from now on"),
    isReachable: z.boolean().nullable().describe("whether it lets this computer's key in; null when not tried"),
    remark: z.string().nullable().describe("what does not work with it"),
    adopted: z.boolean().describe("false under `--dry-run`"),
  }),
  async plan({ instance: selector, hours, dryRun }, context) {
    if (dryRun) return undefined;
    const { findAdoptable } = await import("../rent/adopt.ts");
    const { leaseCost } = await import("../rent/lease.ts");
    const { id, type, provider, pricePerHour } = await findAdoptable(context, selector);
    const action = `take ${id}, ${type} from ${provider}, into the journal and stop it after ${hours} h`;
    return { action, costDollars: leaseCost({ pricePerHour, hours }) };
  },
  async run({ instance: selector, hours, dryRun }, context) {
    const { adoptInstance } = await import("../rent/adopt.ts");
    const { instance, leaseEndsAt, costDollars, fingerprint, isReachable, remark } = await adoptInstance(context, {
      ...{ selector, hours, isDry: dryRun },
    });
    const { id, name, provider, type, pricePerHour, token } = instance;
    return {
      ...{ id, name, provider, type, pricePerHour, costDollars, token, isReachable, remark },
      leaseEndsAt: new Date(leaseEndsAt).toISOString(),
      leaseMinutesLeft: minutesUntil(leaseEndsAt, context.world.clock.now()),
      hostKeyFingerprint: fingerprint,
      adopted: !dryRun,
    };
  },
  view: ({ id, type, provider, adopted, leaseEndsAt, costDollars, hostKeyFingerprint, remark }, { now }) => [
    ...(hostKeyFingerprint === null ? [] : [{ stderr: `its host key is ${hostKeyFingerprint}` }]),
    ...(remark === null ? [] : [{ stderr: `warning: ${remark}` }]),
    `${id}, ${type} from ${provider}, ${adopted ? "is" : "would be"} leased for ${
      spanText(Date.parse(leaseEndsAt) - now)
    }` +
    `, at most $${costDollars.toFixed(2)}`,
  ],
});
