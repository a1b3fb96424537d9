import { parseGpus } from "../agent/nvidia-smi.ts";
import { safeText } from "../safe-text.ts";
import type { Session } from "../ssh/session.ts";

/** One GPU of an instance. What its driver does not say is null, never 0. */
export interface BoxGpu {
  /** Its number, the first is 0. */
  readonly index: number;
  /** `NVIDIA H100 80GB HBM3`. */
  readonly name: string;
  /** Its memory in MiB. */
  readonly memoryTotalMiB: number | null;
  /** How much of that is in use. */
  readonly memoryUsedMiB: number | null;
  /** How busy it is, in per cent. */
  readonly utilization: number | null;
  /** Degrees Celsius. */
  readonly temperatureC: number | null;
  /** Watts it draws. */
  readonly powerW: number | null;
}

const fields = [
  "index",
  "memory.total",
  "memory.used",
  "utilization.gpu",
  "temperature.gpu",
  "power.draw",
  "name",
] as const;

/** Asks `nvidia-smi` there. */
export async function gpusOver(session: Session, signal: AbortSignal | undefined): Promise<BoxGpu[]> {
  const said: Uint8Array[] = [];
  const command = `nvidia-smi --query-gpu=${fields.join(",")} --format=csv,noheader,nounits`;
  const { exitCode } = await session.exec(command, { signal, onStdout: (chunk) => void said.push(chunk) });
  const gpus = exitCode === 0 ? parseGpus(safeText(Buffer.concat(said).toString("utf8")), fields) ?? [] : [];
  return gpus.map(({ index, name, memoryTotalMiB, memoryUsedMiB, utilization, temperatureC, powerW }) => ({
    ...{ index, name, memoryTotalMiB, memoryUsedMiB, utilization, temperatureC, powerW },
  }));
}
