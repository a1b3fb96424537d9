import { createHash } from "node:crypto";

/** What can be rented, as `GET /instance-types` describes it. Prices are US cents an hour. */
export interface InstanceType {
  readonly name: string;
  readonly description: string;
  readonly gpu_description: string;
  readonly price_cents_per_hour: number;
  readonly specs: {
    readonly vcpus: number;
    readonly memory_gib: number;
    readonly storage_gib: number;
    readonly gpus: number;
  };
}

export interface Region {
  readonly name: string;
  readonly description: string;
}

/** A type, where it is offered, and what its machines pretend to have. */
export interface CatalogueEntry {
  readonly type: InstanceType;
  readonly regions: readonly Region[];
  /** A model that `fake-gpu.ts` knows. */
  readonly gpuModel: string | undefined;
}

const region = (name: string, description: string): Region => ({ name, description });
const california = region("us-west-1", "California, USA");
const arizona = region("us-west-2", "Arizona, USA");
const utah = region("us-west-3", "Utah, USA");
const texas = region("us-south-1", "Texas, USA");
const virginia = region("us-east-1", "Virginia, USA");
const washington = region("us-east-3", "Washington DC, USA");
const illinois = region("us-midwest-1", "Illinois, USA");
const germany = region("europe-central-1", "Germany");
const osaka = region("asia-northeast-1", "Osaka, Japan");
const gujarat = region("asia-south-1", "Gujarat, India");

export const regions: readonly Region[] = [
  ...[california, arizona, utah, texas, virginia, washington, illinois, germany, osaka, gujarat],
];

/** What is told apart in a line: count and name, cents an hour, GPU, its model here; vCPUs, RAM and disk in GiB. */
type Line = readonly [string, number, string, string | undefined, number, number, number, readonly Region[]];

// Names and prices of November 2025; sizes as they were published about then.
const lines: readonly Line[] = [
  ["gpu_1x_gh200", 149, "GH200 (96 GB)", "gh200", 64, 432, 4096, [washington, virginia]],
  ["gpu_8x_b200_sxm6", 3992, "B200 (180 GB SXM6)", "b200", 208, 2900, 22528, [virginia, texas]],
  ["gpu_8x_h100_sxm5", 2392, "H100 (80 GB SXM5)", "h100", 208, 1800, 22528, [utah, texas, germany]],
  ["gpu_4x_h100_sxm5", 1236, "H100 (80 GB SXM5)", "h100", 104, 900, 11264, [utah, texas]],
  ["gpu_2x_h100_sxm5", 638, "H100 (80 GB SXM5)", "h100", 52, 450, 5632, [utah, texas]],
  ["gpu_1x_h100_sxm5", 329, "H100 (80 GB SXM5)", "h100", 26, 225, 2816, [utah, texas, california]],
  ["gpu_1x_h100_pcie", 249, "H100 (80 GB PCIe)", "h100-pcie", 26, 200, 1024, [utah, california]],
  ["gpu_8x_a100_80gb_sxm4", 1432, "A100 (80 GB SXM4)", "a100", 240, 1800, 20480, [illinois, virginia]],
  ["gpu_1x_a10", 75, "A10 (24 GB PCIe)", "a10", 30, 200, 1433, [california, virginia, arizona, germany]],
  ["gpu_1x_rtx6000", 50, "RTX 6000 (24 GB)", "rtx6000", 14, 46, 512, [texas]],
  ["gpu_8x_a100", 1032, "A100 (40 GB SXM4)", "a100-sxm4-40gb", 124, 1800, 6144, [arizona, osaka]],
  ["gpu_4x_a100", 516, "A100 (40 GB PCIe)", "a100-pcie-40gb", 120, 900, 1024, [california]],
  ["gpu_2x_a100", 258, "A100 (40 GB PCIe)", "a100-pcie-40gb", 60, 450, 1024, [california]],
  ["gpu_1x_a100", 129, "A100 (40 GB PCIe)", "a100-pcie-40gb", 30, 225, 512, [california, gujarat]],
  ["gpu_1x_a100_sxm4", 129, "A100 (40 GB SXM4)", "a100-sxm4-40gb", 30, 220, 512, [california, virginia, osaka]],
  ["gpu_4x_a6000", 320, "A6000 (48 GB)", "a6000", 56, 400, 1024, [texas]],
  ["gpu_2x_a6000", 160, "A6000 (48 GB)", "a6000", 28, 200, 1024, [texas]],
  ["gpu_1x_a6000", 80, "A6000 (48 GB)", "a6000", 14, 100, 512, [texas]],
  ["gpu_8x_v100", 440, "Tesla V100 (16 GB)", "v100", 88, 448, 5939, [texas]],
  ["cpu_4x_general", 20, "N/A", undefined, 4, 16, 512, [california, virginia]],
];

export const catalogue: readonly CatalogueEntry[] = lines.map(
  ([name, price, gpu, gpuModel, vcpus, memory, storage, where]) => {
    const count = Number(/_(\d+)x_/.exec(name)?.[1]);
    const specs = { vcpus, memory_gib: memory, storage_gib: storage, gpus: gpuModel === undefined ? 0 : count };
    const description = gpuModel === undefined ? `${vcpus}x CPU General` : `${count}x ${gpu}`;
    return {
      type: { name, description, gpu_description: gpu, price_cents_per_hour: price, specs },
      regions: where,
      gpuModel,
    };
  },
);

/** One image in one region. */
export interface Image {
  readonly id: string;
  readonly created_time: string;
  readonly updated_time: string;
  readonly name: string;
  readonly description: string;
  readonly family: string;
  readonly version: string;
  readonly architecture: "x86_64" | "arm64";
  readonly region: Region;
}

const families = [
  ["lambda-stack-24-04", "Lambda Stack 24.04"],
  ["lambda-stack-22-04", "Lambda Stack 22.04"],
  ["gpu-base-24-04", "GPU Base 24.04"],
  ["gpu-base-22-04", "GPU Base 22.04"],
] as const;

export const images: readonly Image[] = regions.flatMap((region) =>
  families.flatMap(([family, name]) =>
    (["x86_64", "arm64"] as const)
      // Arm machines are the GH200s.
      .filter((architecture) => architecture === "x86_64" || region === washington || region === virginia)
      .map((architecture) => ({
        id: createHash("md5").update(`${family} ${architecture} ${region.name}`).digest("hex"),
        created_time: "2025-10-01T00:00:00+00:00",
        updated_time: "2025-11-01T00:00:00+00:00",
        name,
        description: `${name} for ${architecture}`,
        family,
        version: "1.0.0",
        architecture,
        region,
      }))
  )
);
