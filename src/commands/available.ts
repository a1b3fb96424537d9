import { z } from "zod";
import { defineCommand } from "../command.ts";

const Offer = z.object({
  provider: z.string().describe("who rents it out"),
  type: z.string().describe("instance type, as `gpu start --type` takes it"),
  description: z.string().describe("what it is"),
  gpu: z.string().nullable().describe("model of its GPUs, null when it has none"),
  gpuCount: z.number().int().describe("GPUs it has"),
  vramGiB: z.number().describe("memory of all its GPUs, in GiB"),
  pricePerHour: z.number().describe("US dollars an hour"),
  regions: z.array(z.string()).describe("regions where one is free now"),
});

export default defineCommand({
  name: "available",
  summary: "List what can be rented, cheapest first",
  effect: "read",
  examples: [{ command: "gpu available --provider local", says: "of one provider" }],
  input: z.object({}),
  output: z.array(Offer),
  async run(_input, context) {
    const providers = context.globals.provider === undefined ? await context.providers() : [await context.provider()];
    const lists = await Promise.all(
      providers.map(async (provider) =>
        (await provider.offers(context.signal)).map((offer) => ({
          provider: provider.name,
          ...offer,
          gpu: offer.gpu ?? null,
          regions: [...offer.regions],
        }))
      ),
    );
    return lists.flat().toSorted((one, other) => one.pricePerHour - other.pricePerHour);
  },
  view: (offers) => ({
    columns: ["provider", "type", "gpu", "vram", "price", "free in"],
    rows: offers.map(({ provider, type, gpu, gpuCount, vramGiB, pricePerHour, regions }) => [
      provider,
      type,
      gpu === null ? "-" : `${gpuCount} × ${gpu}`,
      gpu === null ? "-" : `${vramGiB} GiB`,
      `$${pricePerHour.toFixed(2)}/h`,
      regions.length === 0 ? "none is free" : regions.join(", "),
    ]),
    empty: "nothing can be rented",
  }),
});
