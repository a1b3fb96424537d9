import { z } from "zod";
import type { Image, Offer } from "../provider.ts";
import type { LambdaApi } from "./api.ts";
import { Image as WireImage, type InstanceType, InstanceTypes } from "./wire.ts";

/** What can be rented, cheapest first; the preferred region is the first of each. */
export async function listOffers(
  api: LambdaApi,
  { region, signal }: { region?: string; signal?: AbortSignal },
): Promise<Offer[]> {
  const types = await api.call({
    doing: "list the instance types",
    path: "/instance-types",
    schema: InstanceTypes,
    signal,
  });
  return Object.values(types)
    .map(({ instance_type: type, regions_with_capacity_available: regions }) => ({
      type: type.name,
      description: type.description || type.name,
      ...gpusOf(type),
      pricePerHour: priceOf(type),
      regions: preferredFirst(regions.map(({ name }) => name), region),
    }))
    .toSorted((one, other) => one.pricePerHour - other.pricePerHour);
}

export async function listImages(api: LambdaApi, signal?: AbortSignal): Promise<Image[]> {
  const images = await api.call({ doing: "list the images", path: "/images", schema: z.array(WireImage), signal });
  return images.map(({ region, ...image }) => ({ ...image, region: region.name }));
}

/** US dollars an hour. */
export function priceOf(type: InstanceType | undefined): number {
  return (type?.price_cents_per_hour ?? 0) / 100;
}

/** Model, count and memory of all GPUs, from `A10 (24 GB PCIe)`; a description without them leaves the type's name. */
export function gpusOf(type: InstanceType): Pick<Offer, "gpu" | "gpuCount" | "vramGiB"> {
  const gpuCount = type.specs.gpus;
  if (gpuCount === 0) return { gpu: undefined, gpuCount, vramGiB: 0 };
  const each = /(\d+(?:\.\d+)?)\s*Gi?B\b/i.exec(`${type.gpu_description} ${type.description}`)?.[1];
  return { gpu: modelOf(type), gpuCount, vramGiB: Number(each ?? 0) * gpuCount };
}

function modelOf({ name, gpu_description: description }: InstanceType): string | undefined {
  const said = description.replace(/\(.*$/, "").replace(/^(NVIDIA|Tesla|Quadro)\s+/gi, "").trim();
  if (said !== "" && said.toUpperCase() !== "N/A") return said;
  return /^gpu_\d+x_([a-z0-9]+)/.exec(name)?.[1]?.toUpperCase();
}

function preferredFirst(regions: readonly string[], preferred: string | undefined): string[] {
  return regions.toSorted((one, other) => Number(other === preferred) - Number(one === preferred));
}
