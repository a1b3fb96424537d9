import { hostname } from "node:os";
import { text } from "node:stream/consumers";
import type { World } from "../world.ts";

/** What `GET /status` of a status daemon says. */
export interface Status {
  readonly instance_id: string;
  readonly status: "healthy";
  readonly uptime_minutes: number;
  readonly idle_minutes: number;
  /** ISO time; null while nothing ends this machine by itself. */
  readonly shutdown_at: string | null;
  readonly shutdown_in_minutes: number | null;
  readonly model_loaded: string;
  /** Per cent of the first GPU; -1 where it is not known. */
  readonly gpu_utilization: number;
  readonly boot_time: string;
}

const gpuTimeoutMs = 2_000;

/** The machine's state now. */
export async function readStatus(
  world: World,
  { bootedMs, lastActivityMs }: { bootedMs: number; lastActivityMs: number },
): Promise<Status> {
  const now = world.clock.now();
  return {
    instance_id: world.env.GPU_MACHINE || hostname(),
    status: "healthy",
    uptime_minutes: wholeMinutes(now - bootedMs),
    idle_minutes: wholeMinutes(now - lastActivityMs),
    shutdown_at: null,
    shutdown_in_minutes: null,
    model_loaded: "not-loaded",
    gpu_utilization: await gpuUtilization(world),
    boot_time: new Date(bootedMs).toISOString(),
  };
}

function wholeMinutes(ms: number): number {
  return Math.max(0, Math.floor(ms / 60_000));
}

/** What `nvidia-smi` says of the first GPU. With MIG it says `[N/A]`, and without a GPU it is not there. */
async function gpuUtilization(world: World): Promise<number> {
  const child = world.spawn(["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"], {
    cwd: world.cwd,
    env: world.env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const answered = new AbortController();
  // A driver that hangs must not hang the status.
  const late = world.clock.sleep(gpuTimeoutMs, answered.signal).then(() => void child.kill("SIGKILL"), () => {});
  try {
    const failed = new Promise<string>((resolve) => child.once("error", () => resolve("")));
    const said = child.stdout ? text(child.stdout).catch(() => "") : Promise.resolve("");
    const first = (await Promise.race([said, failed, late.then(() => "")])).split("\n")[0]?.trim() ?? "";
    return /^\d+$/.test(first) ? Number(first) : -1;
  } finally {
    answered.abort();
  }
}
