import { z } from "zod";
import { type Context, defineCommand, type Narrowing } from "../command.ts";
import { messageOf } from "../errors.ts";
import { compareOffers, Offer, toOffer } from "../models/offers.ts";
import type { Offer as Offered } from "../provider/provider.ts";

/** More rows than that are too many for a person: then a screen full of them is shown. */
const manyOffers = 50;

export default defineCommand({
  name: "available",
  summary: "List what can be rented, the cheapest that is free first",
  description:
    "Over all configured providers at once; one that cannot be asked hides none of the others. A terminal shows a screen\n" +
    "full where there are many; a pipe, `--json` and `--limit` show more.",
  effect: "read",
  examples: [
    { command: "gpu available --free --min-vram 80", says: "free now, with 80 GiB of GPU memory" },
    { command: "gpu available --model llama-3.1-70b", says: "what a model fits on" },
    { command: "gpu available --provider lambda --max-price 3", says: "of one provider, up to $3 an hour" },
    { command: "gpu available --min-vram 80 --watch", says: "and go on showing it" },
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
    limit: z.number().int().positive().optional().meta({ short: "n", description: "at most so many, the first ones" }),
    watch: z.boolean().default(false).meta({ short: "w", description: "show it anew every 10 seconds until Ctrl-C" }),
  }),
  output: z.array(Offer),
  refreshMs: 10_000,
  async run({ model, minVram = 0, maxPrice = Infinity, region, free, limit, watch }, context) {
    const { allModels, getModel, modelFits } = await import("../models/models.ts");
    const config = await context.config();
    const models = allModels(config);
    const wanted = model === undefined ? undefined : getModel(config, model);
    const offers = (await allOffers(context)).filter(({ offer }) =>
      offer.vramGiB >= minVram && offer.pricePerHour <= maxPrice && (!free || offer.regions.length > 0) &&
      (region === undefined || offer.regions.includes(region)) && (!wanted || modelFits(wanted, offer))
    ).map(({ provider, offer }) => toOffer({ provider, ...offer }, models)).toSorted(compareOffers);
    if (!watch) await sayWhereOnlyLocal(context);
    const most = limit ?? (watch ? Infinity : screenful(context, offers.length));
    if (limit === undefined && offers.length > most) {
      context.note(`the first ${most} of ${offers.length}; \`--limit ${offers.length}\` shows all of them`);
    }
    return offers.slice(0, most);
  },
  view: (offers, { isTTY, columns }) => ({
    columns: ["provider", "type", "gpu", "vram", "price", "per gpu", "free in", "models"],
    rows: offers.map(({ provider, type, gpu, gpuCount, vramGiB, pricePerHour, pricePerGpuHour, regions, models }) => [
      provider,
      type,
      gpu === null ? "-" : `${gpuCount} × ${gpu}`,
      gpu === null ? "-" : `${vramGiB} GiB`,
      `$${pricePerHour.toFixed(2)}/h`,
      pricePerGpuHour === null ? "-" : `$${pricePerGpuHour.toFixed(2)}`,
      regions.length === 0 ? "none is free" : isTTY ? few(regions, columns) : regions.join(", "),
      models.length === 0 ? "-" : isTTY ? few(models, columns) : models.join(", "),
    ]),
    narrow: narrowing(offers),
    empty: "nothing that fits can be rented; `gpu available` without flags lists all",
  }),
});

/** On a terminal, as many rows as its screen holds beside the header, the note above and the prompt. */
function screenful({ attached }: Context, count: number): number {
  if (attached?.stdout.isTTY !== true || count <= manyOffers) return Infinity;
  return Math.max(10, attached.stdout.rows - 3);
}

/** A provider that is the only one says nothing. */
function narrowing(offers: readonly Offer[]): readonly Narrowing[] {
  const isOne = offers.every(({ provider }) => provider === offers[0]?.provider);
  return [
    { column: "models", min: 16 },
    ...(isOne ? [{ column: "provider" }] : []),
    { column: "models" },
    { column: "free in", min: 12 },
    { column: "per gpu" },
    { column: "gpu", min: 8 },
    { column: "gpu" },
    { column: "provider" },
    { column: "vram" },
  ];
}

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

/** Somebody who looks for a GPU and sees this computer alone has not configured a cloud yet. */
async function sayWhereOnlyLocal({ globals, providerNames, note }: Context): Promise<void> {
  if (globals.provider !== undefined || (await providerNames()).some((name) => name !== "local")) return;
  note("only this computer is listed: no cloud is configured yet, `gpu configure` adds one");
}

/** The first, or the first three where there is room, and how many more there are: `us-west-1 +2`. */
function few(words: readonly string[], columns: number): string {
  const shown = columns < 140 ? 1 : 3;
  const first = words.slice(0, shown).join(", ");
  return words.length <= shown ? first : `${first} +${words.length - shown}`;
}
