import type { Gpu, MigPart } from "./nvidia-smi.ts";
import type { Status } from "./status.ts";

/** The content type of Prometheus' text format. */
export const metricsType = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Readonly<Record<string, string>>;

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly { readonly labels?: Labels; readonly value: number | null }[];
}

const MiB = 1024 * 1024;

/** The machine's state in Prometheus' text format. What is not known is left out, never 0. */
export function metricsText(status: Status, { now, startedMs }: { now: number; startedMs: number }): string {
  const { gpus } = status;
  const ofGpu = (name: string, help: string, value: (gpu: Gpu) => number | null): Metric => ({
    name,
    help,
    samples: gpus.map((gpu) => ({ labels: labelsOf(gpu), value: value(gpu) })),
  });
  const ofPart = (name: string, help: string, value: (part: MigPart) => number | null): Metric => ({
    name,
    help,
    samples: gpus.flatMap((gpu) =>
      gpu.parts.map((part) => ({ labels: { ...labelsOf(gpu), ...partLabels(part) }, value: value(part) }))
    ),
  });
  const single = (name: string, help: string, value: number | null): Metric => ({ name, help, samples: [{ value }] });
  const { shutdown_at: endsAt } = status;
  return text([
    ofGpu("gpu_utilization_ratio", "Share of time a GPU was at work.", ({ utilization }) => over(utilization, 100)),
    ofGpu(
      "gpu_memory_utilization_ratio",
      "Share of time a GPU's memory was read or written.",
      ({ memoryUtilization }) => over(memoryUtilization, 100),
    ),
    ofGpu("gpu_memory_total_bytes", "Memory of a GPU.", (gpu) => times(gpu.memoryTotalMiB, MiB)),
    ofGpu("gpu_memory_used_bytes", "Memory in use.", (gpu) => times(gpu.memoryUsedMiB, MiB)),
    ofGpu("gpu_memory_free_bytes", "Memory that can be had.", (gpu) => times(gpu.memoryFreeMiB, MiB)),
    ofGpu("gpu_temperature_celsius", "Temperature.", ({ temperatureC }) => temperatureC),
    ofGpu("gpu_power_draw_watts", "Power drawn.", ({ powerW }) => powerW),
    ofGpu("gpu_power_limit_watts", "Power that may be drawn.", ({ powerLimitW }) => powerLimitW),
    {
      name: "gpu_info",
      help: "A GPU and its driver.",
      samples: gpus.map((gpu) => ({
        labels: { ...labelsOf(gpu), driver: gpu.driver, bus: gpu.busId, mig: gpu.isDivided ? "on" : "off" },
        value: 1,
      })),
    },
    ofPart(
      "gpu_mig_memory_total_bytes",
      "Memory of the GPU instance that a MIG device shares.",
      (part) => times(part.memoryTotalMiB, MiB),
    ),
    ofPart("gpu_mig_memory_used_bytes", "Memory in use there.", (part) => times(part.memoryUsedMiB, MiB)),
    ofPart("gpu_mig_info", "A part of a divided GPU.", () => 1),
    single("gpu_agent_gpus", "GPUs that the driver shows.", gpus.length),
    single(
      "gpu_agent_lease_left_seconds",
      "Until the lease ends.",
      endsAt === null ? null : Math.max(0, (Date.parse(endsAt) - now) / 1000),
    ),
    single("gpu_agent_idle_seconds", "Since the machine was used.", status.idle_seconds),
    single("gpu_agent_sessions", "SSH connections.", status.sessions),
    single("gpu_agent_jobs_running", "CI jobs that run.", status.jobs_running),
    single("gpu_agent_start_time_seconds", "When the agent began, in seconds since 1970.", startedMs / 1000),
  ]);
}

function labelsOf({ index, uuid, name }: Gpu): Labels {
  return { gpu: String(index), uuid, name };
}

function partLabels({ device, profile, uuid, gpuInstance, computeInstance }: MigPart): Labels {
  return { mig_device: String(device), mig_profile: profile, mig_uuid: uuid, gi: gpuInstance, ci: computeInstance };
}

function text(metrics: readonly Metric[]): string {
  const lines = metrics.flatMap(({ name, help, samples }) => {
    const known = samples.filter(({ value }) => value !== null && Number.isFinite(value));
    if (known.length === 0) return [];
    return [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} gauge`,
      ...known.map(({ labels = {}, value }) => `${name}${labelText(labels)} ${value}`),
    ];
  });
  return `${lines.join("\n")}\n`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).filter(([, value]) => value !== "");
  const escaped = pairs.map(([name, value]) =>
    `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`
  );
  return escaped.length === 0 ? "" : `{${escaped.join(",")}}`;
}

function times(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}

function over(value: number | null, divisor: number): number | null {
  return value === null ? null : value / divisor;
}
