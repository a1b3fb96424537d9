import { z } from "zod";
import { type Model, modelFits } from "./models.ts";

/** What can be rented, as `gpu available` shows it. */
export const Offer = z.object({
  provider: z.string().describe("who rents it out"),
  type: z.string().describe("instance type, as `gpu start --type` takes it"),
  description: z.string().describe("what it is"),
  gpu: z.string().nullable().describe("model of its GPUs, null when it has none"),
  gpuCount: z.number().int().describe("GPUs it has"),
  vramGiB: z.number().describe("memory of all its GPUs, in GiB"),
  pricePerHour: z.number().describe("US dollars an hour"),
  pricePerGpuHour: z.number().nullable().describe("US dollars an hour for each of its GPUs, null when it has none"),
  regions: z.array(z.string()).describe("regions where one is free now"),
  models: z.array(z.string()).describe("models of `gpu models list` that fit its memory, the largest first"),
});
export type Offer = z.output<typeof Offer>;

/** An offer of a provider with what a person needs to compare it. `models` are all that are known. */
export function toOffer(
  offered: Pick<Offer, "provider" | "type" | "description" | "gpuCount" | "vramGiB" | "pricePerHour"> & {
    readonly gpu: string | undefined;
    readonly regions: readonly string[];
  },
  models: readonly Model[],
): Offer {
  const { provider, type, description, gpu, gpuCount, vramGiB, pricePerHour, regions } = offered;
  return {
    provider,
    type,
    description,
    gpu: gpu ?? null,
    gpuCount,
    vramGiB,
    pricePerHour,
    pricePerGpuHour: gpuCount === 0 ? null : Math.round(pricePerHour / gpuCount * 10_000) / 10_000,
    regions: [...regions],
    models: models.filter((each) => modelFits(each, offered)).toSorted((one, other) => other.vramGiB - one.vramGiB)
      .map(({ model }) => model),
  };
}

/** What is free first, then the cheapest; of two for the same price the one with more memory. */
export function compareOffers(one: Offer, other: Offer): number {
  return Number(one.regions.length === 0) - Number(other.regions.length === 0) ||
    one.pricePerHour - other.pricePerHour || other.vramGiB - one.vramGiB;
}
