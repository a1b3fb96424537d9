import { z } from "zod";
import { type Context, defineCommand } from "../command.ts";
import { minutesText } from "../duration.ts";
import { Instance } from "../rent/instances.ts";
import type { RentRequest } from "../rent/launch.ts";

const defaultHours = 4;

export default defineCommand({
  name: "start",
  summary: "Rent an instance and wait until SSH answers",
  description:
    "Each instance has a lease and is stopped when that ends. One that never becomes ready is given back.\n" +
    "Until a provider is configured or named, it is `local`: a machine on this computer, for $0.00/h.",
  effect: "spend",
  examples: [
    { command: "gpu start", says: "the cheapest that is free, for 4 hours" },
    { command: "gpu start --type gpu_1x_a10 --hours 0.5", says: "this type, for half an hour" },
    { command: "gpu start --no-wait", says: "return at once; `gpu wait` waits" },
  ],
  input: z.object({
    type: z.string().optional().meta({
      aliases: ["gpu"],
      complete: "offer",
      description: "instance type; the cheapest that is free when left out",
    }),
    region: z.string().optional().describe("region; any when left out"),
    hours: z.number().positive().optional().meta({
      short: "H",
      env: "GPU_LEASE_HOURS",
      description: "lease in hours: the instance is stopped when it ends; 4 when left out",
    }),
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/, "letters, digits, `-` and `_`, at most 40").optional()
      .describe("name to call it by"),
    wait: z.boolean().default(true).describe("wait until SSH answers"),
    readyTimeout: z.number().positive().optional().meta({
      placeholder: "seconds",
      description:
        "seconds it may take until SSH answers, else it is given back; the provider's own limit when left out",
    }),
    fakeGpu: z.string().optional().meta({
      placeholder: "model",
      description: "put a fake nvidia-smi on a local machine: `h100`, `a100`, …",
    }),
  }),
  output: Instance,
  async plan({ type, region, ...input }, context) {
    const { chooseOffer } = await import("../rent/offer.ts");
    const { leaseCost } = await import("../rent/lease.ts");
    const provider = await context.provider();
    const { offer, region: where } = chooseOffer(await provider.offers(context.signal), { type, region });
    const hours = await hoursOf(input, context);
    const action = `rent ${offer.type} in ${where} for ${hours} h at $${offer.pricePerHour.toFixed(2)}/h`;
    return { action, costDollars: leaseCost({ pricePerHour: offer.pricePerHour, hours }) };
  },
  async run({ wait, readyTimeout, ...input }, context) {
    const { launchInstance } = await import("../rent/launch.ts");
    const { bootInstance, leaveBooting } = await import("../rent/boot.ts");
    const { tidyUp } = await import("../rent/fleet.ts");
    await tidyUp(context);
    const provider = await context.provider();
    if (provider.name === "local") context.note("renting from `local`: a machine on this computer, $0.00/h");
    const launch = await launchInstance({
      world: context.world,
      journal: await context.journal(),
      provider,
      run: await context.run.id(),
      profile: context.globals.profile,
      signal: context.signal,
      onProgress: context.progress,
      request: await requestOf(input, context),
    });
    if (!wait) return await leaveBooting(context, launch);
    return await bootInstance(context, launch, { timeoutMs: readyTimeout && readyTimeout * 1000, isOurs: true });
  },
  async handle(instance, context) {
    const { openInstanceHandle } = await import("../recipe/instance.ts");
    return await openInstanceHandle(instance, context);
  },
  view: ({ id, state, address, readyAt, pricePerHour, leaseMinutesLeft }) => {
    const where = address && readyAt ? `ready at ${address.host}:${address.port}` : state;
    return `${id} is ${where}, $${pricePerHour.toFixed(2)}/h, leased for ${minutesText(leaseMinutesLeft ?? 0)}`;
  },
});

async function requestOf(
  input: Omit<RentRequest, "hours"> & { hours?: number },
  context: Context,
): Promise<RentRequest> {
  return { ...input, hours: await hoursOf(input, context) };
}

async function hoursOf({ hours }: { hours?: number }, context: Context): Promise<number> {
  return hours ?? (await context.config()).defaults.hours ?? defaultHours;
}
