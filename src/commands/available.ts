import { z } from "zod";
import { type Context, defineCommand } from "../command.ts";
import { messageOf } from "../errors.ts";
import type { Offer as Offered } from "../provider/provider.ts";

const Offer = z.object({
  provider: z.string().describe("who rents it out"),
  type: z.string().describe("instance type, as `gpu start --type` takes it"),
  description: z.string().describe("what it is"),
  gpu: z.string().nullable().describe("model of its GPUs, null when it has none"),
  gpuCount: z.number().int().describe("GPUs it has"),
  vramGiB: z.number().describe("memory of all its GPUs, in GiB"),
  pricePerHour: z.number().describe("US dollars an hour"),
  regions: z.array(z.string()).describe("regions where one is free now"),
  models: z.array(z.string()).describe("models of `gpu models list` that fit its memory"),
});
type Offer = z.output<typeof Offer>;

export default defineCommand({
  name: "available",
  summary: "List what can be rented, cheapest first",
  description: "Over all configured providers at once; one that cannot be asked hides none of the others.",
  effect: "read",
  examples: [
    { command: "gpu available --free --min-vram 80", says: "free now, with 80 GiB of GPU memory" },
    { command: "gpu available --model llama-3.1-70b", says: "what a model fits on" },
    { command: "gpu available --provider lambda --max-price 3", says: "of one provider, up to $3 an hour" },
  ],
  input: z.object({
    model: z.string().optional().meta({ complete: "model", description: "only what has the memory for this model" }),
    minVram: z.number().nonnegative().optional().meta({
      placeholder: "GiB",
      description: "only with so much GPU memory",
    }),
    maxPrice: z.number().nonnegative().optional().meta({
      placeholder: "dollars",
      description: "only up to this price an hour, in US dollars",
    }),
    region: z.string().optional().describe("only what is free in this region"),
    free: z.boolean().default(false).describe("only what is free now"),
  }),
  output: z.array(Offer),
  async run({ model, minVram = 0, maxPrice = Infinity, region, free }, context) {
    const { allModels, getModel, modelFits } = await import("../models/models.ts");
    const config = await context.config();
    const models = allModels(config);
    const wanted = model === undefined ? undefined : getModel(config, model);
    const offers = await allOffers(context);
    return offers.filter(({ offer }) =>
      offer.vramGiB >= minVram && offer.pricePerHour <= maxPrice && (!free || offer.regions.length > 0) &&
      (region === undefined || offer.regions.includes(region)) && (!wanted || modelFits(wanted, offer))
    ).toSorted((one, other) => one.offer.pricePerHour - other.offer.pricePerHour).map(({ provider, offer }): Offer => ({
      provider,
      ...offer,
      gpu: offer.gpu ?? null,
      regions: [...offer.regions],
      models: models.filter((each) => modelFits(each, offer)).map(({ model }) => model),
    }));
  },
  view: (offers) => ({
    columns: ["provider", "type", "gpu", "vram", "price", "free in", "models"],
    rows: offers.map(({ provider, type, gpu, gpuCount, vramGiB, pricePerHour, regions, models }) => [
      provider,
      type,
      gpu === null ? "-" : `${gpuCount} × ${gpu}`,
      gpu === null ? "-" : `${vramGiB} GiB`,
      `$${pricePerHour.toFixed(2)}/h`,
      regions.length === 0 ? "none is free" : few(regions),
      models.length === 0 ? "-" : few(models),
    ]),
    empty: "nothing that fits can be rented; `gpu available` without flags lists all",
  }),
});

async function allOffers(context: Context): Promise<{ provider: string; offer: Offered }[]> {
  const { globals, signal, note } = context;
  const providers = globals.provider === undefined ? await context.providers() : [await context.provider()];
  const lists = await Promise.all(providers.map(async (provider) => {
    try {
      return (await provider.offers(signal)).map((offer) => ({ provider: provider.name, offer }));
    } catch (error) {
      signal.throwIfAborted();
      if (providers.length === 1) throw error;
      note(`warning: ${provider.name} could not be asked: ${messageOf(error)}`);
      return [];
    }
  }));
  return lists.flat();
}

/** The first three, and how many more there are. */
function few(words: readonly string[]): string {
  return words.length <= 3 ? words.join(", ") : `${words.slice(0, 2).join(", ")} and ${words.length - 2} more`;
}
