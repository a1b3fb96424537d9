import { GpuError, NotFoundError } from "../errors.ts";
import type { Offer, Provider } from "../provider/provider.ts";

/** Who rents out what, where: one try of a launch. */
export interface Candidate {
  readonly provider: Provider;
  readonly offer: Offer;
  readonly region: string;
}

export interface Wanted {
  /** In order of preference; any when empty. */
  readonly types: readonly string[];
  readonly region?: string;
  readonly minVramGiB?: number;
  /** US dollars an hour; without it the price of the first choice, or of the dearest type that was named. */
  readonly maxPricePerHour?: number;
}

export interface Choice {
  /** What to try, in this order; empty when nothing fits and is free. */
  readonly candidates: readonly Candidate[];
  /** What fits and is not free now. */
  readonly sold: readonly { readonly provider: Provider; readonly offer: Offer }[];
}

interface Listed {
  readonly provider: Provider;
  readonly offer: Offer;
}

/** Everything that fits, the preferred type first, then the cheapest; a machine with a GPU before one without. */
export function chooseCandidates(listed: readonly Listed[], wanted: Wanted): Choice {
  const fitting = listed.filter(({ offer }) => fits(offer, wanted));
  const isMistyped = wanted.types.some((type) => !listed.some(({ offer }) => offer.type === type));
  if (fitting.length === 0 || isMistyped) throw nothingFits(listed, wanted);
  const isFree = ({ offer }: Listed) => regionsOf(offer, wanted).length > 0;
  const anyGpu = fitting.some(({ offer }) => offer.gpuCount > 0);
  const usable = wanted.types.length === 0 && anyGpu ? fitting.filter(({ offer }) => offer.gpuCount > 0) : fitting;
  const free = usable.filter(isFree).toSorted((one, other) => compare(one.offer, other.offer, wanted.types));
  const ceiling = priceCeiling(free, usable, wanted);
  const candidates = free.filter(({ offer }) => offer.pricePerHour <= ceiling)
    .flatMap(({ provider, offer }) => regionsOf(offer, wanted).map((region) => ({ provider, offer, region })));
  return { candidates, sold: usable.filter((each) => !isFree(each)) };
}

/** The most an hour may cost: what was said, else the dearest type that was named, else the first choice. */
function priceCeiling(free: readonly Listed[], usable: readonly Listed[], { types, maxPricePerHour }: Wanted): number {
  if (maxPricePerHour !== undefined) return maxPricePerHour;
  if (types.length > 0) return Math.max(...usable.map(({ offer }) => offer.pricePerHour));
  return free[0]?.offer.pricePerHour ?? Infinity;
}

function fits(offer: Offer, { types, minVramGiB = 0, maxPricePerHour = Infinity }: Wanted): boolean {
  return (types.length === 0 || types.includes(offer.type)) && offer.vramGiB >= minVramGiB &&
    offer.pricePerHour <= maxPricePerHour;
}

function regionsOf(offer: Offer, { region }: Wanted): readonly string[] {
  return region === undefined ? offer.regions : offer.regions.filter((name) => name === region);
}

function compare(one: Offer, other: Offer, types: readonly string[]): number {
  const preference = types.length === 0 ? 0 : types.indexOf(one.type) - types.indexOf(other.type);
  return preference || one.pricePerHour - other.pricePerHour;
}

function nothingFits(listed: readonly Listed[], wanted: Wanted): GpuError {
  const unknown = wanted.types.filter((type) => !listed.some(({ offer }) => offer.type === type));
  if (unknown.length > 0) {
    return new NotFoundError(`there is no instance type ${unknown.map((type) => `\`${type}\``).join(", ")}`, {
      hint: listed.every(({ provider }) => provider.name === "local")
        ? "only this computer is known; `gpu configure` sets up a cloud"
        : "`gpu available` lists the types",
    });
  }
  const limits = [
    wanted.minVramGiB ? `at least ${wanted.minVramGiB} GiB of GPU memory` : undefined,
    wanted.maxPricePerHour === undefined ? undefined : `at most $${wanted.maxPricePerHour.toFixed(2)}/h`,
  ].filter((limit) => limit !== undefined);
  return new GpuError(`no instance type has ${limits.join(" and ")}`, { hint: "`gpu available` lists what there is" });
}

/** Why nothing can be tried now, in words. */
export function describeSold({ sold }: Choice, { region, types }: Wanted): GpuError {
  const names = types.length > 0 ? types : [...new Set(sold.map(({ offer }) => offer.type))];
  const elsewhere = [...new Set(sold.flatMap(({ offer }) => offer.regions))];
  const what = names.length === 1 ? `\`${names[0]}\`` : "what fits";
  return new GpuError(`${what} is not free right now${region === undefined ? "" : ` in \`${region}\``}`, {
    hint: region !== undefined && elsewhere.length > 0
      ? `it is free in ${elsewhere.map((name) => `\`${name}\``).join(", ")}`
      : "`gpu available` lists what is; `--retry-until-up` waits until it is",
  });
}
