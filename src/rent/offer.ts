import { GpuError, NotFoundError } from "../errors.ts";
import type { Offer } from "../provider/provider.ts";

export interface Wish {
  /** The cheapest that is free when left out. */
  readonly type?: string;
  readonly region?: string;
}

/** What to rent and where, of what a provider offers. */
export function chooseOffer(offers: readonly Offer[], { type, region }: Wish): { offer: Offer; region: string } {
  const asked = type === undefined ? offers : offers.filter((offer) => offer.type === type);
  if (type !== undefined && asked.length === 0) {
    throw new NotFoundError(`there is no instance type \`${type}\``, { hint: "`gpu available` lists the types" });
  }
  const free = asked.filter((offer) =>
    region === undefined ? offer.regions.length > 0 : offer.regions.includes(region)
  );
  // "Cheapest" among machines with a GPU: a cloud's CPU machines always cost less. Where nothing has one, any will do.
  const fit = type === undefined && offers.some((offer) => offer.gpuCount > 0)
    ? free.filter((offer) => offer.gpuCount > 0)
    : free;
  const offer = fit.toSorted((a, b) => a.pricePerHour - b.pricePerHour)[0];
  const chosen = region ?? offer?.regions[0];
  if (offer === undefined || chosen === undefined) throw noneFree({ type, region, asked });
  return { offer, region: chosen };
}

function noneFree({ type, region, asked }: Wish & { asked: readonly Offer[] }): GpuError {
  const what = type === undefined ? "no instance type" : `no \`${type}\``;
  const where = region === undefined ? "" : ` in \`${region}\``;
  const elsewhere = [...new Set(asked.flatMap((offer) => offer.regions))];
  return new GpuError(`${what} is free right now${where}`, {
    hint: region !== undefined && elsewhere.length > 0
      ? `it is in ${elsewhere.map((name) => `\`${name}\``).join(", ")}`
      : "`gpu available` lists what is",
  });
}
