/** How the weights are stored: bytes a parameter. */
export const bytesPerParameter = { fp32: 4, fp16: 2, bf16: 2, fp8: 1, int8: 1, int4: 0.5 } as const;
export type Precision = keyof typeof bytesPerParameter;
export const precisions = Object.keys(bytesPerParameter).filter(isPrecision);

/** Memory that GPUs come with, in GiB; from 160 on several together. */
const gpuSizesGiB = [16, 24, 40, 48, 80, 160, 320, 640, 1440];

// What is left free, so that a guess that is a little low still runs.
const headroom = 1.1;

/**
 * What serving a model takes, in GiB: its weights and 10 % of them, its context (1 GiB for each 2048 tokens, at most 4)
 * and 2 GiB for the runtime.
 */
export function vramNeeded(
  { parametersB, precision, context }: { parametersB: number; precision: Precision; context: number },
): number {
  const weights = parametersB * bytesPerParameter[precision];
  return oneDecimal(weights * 1.1 + Math.min(4, context / 2048) + 2);
}

/** The GPU memory that leaves room to spare, in GiB. */
export function withHeadroom(neededGiB: number): number {
  return Math.round(neededGiB * headroom * 100) / 100;
}

/** Whether that much fits into the memory of all GPUs together, with room to spare. */
export function fitsInto(neededGiB: number, vramGiB: number): boolean {
  return withHeadroom(neededGiB) <= vramGiB;
}

/** The smallest memory that GPUs come with and that is enough, in GiB; undefined when none is. */
export function smallestGpuGiB(neededGiB: number): number | undefined {
  return gpuSizesGiB.find((sizeGiB) => fitsInto(neededGiB, sizeGiB));
}

function isPrecision(word: string): word is Precision {
  return word in bytesPerParameter;
}

function oneDecimal(value: number): number {
  return Math.round(value * 10) / 10;
}
