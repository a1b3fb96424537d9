import { hostname } from "node:os";
import type { World } from "../world.ts";
import type { Gpus } from "./gpus.ts";
import type { Lease } from "./lease.ts";
import type { Models } from "./models.ts";
import type { Gpu } from "./nvidia-smi.ts";
import type { Watch } from "./watch.ts";

/** What `GET /status` says: all that a status daemon says in its later version, and below that what it cannot. */
export interface Status {
  readonly instance_id: string;
  readonly status: "healthy";
  readonly uptime_minutes: number;
  readonly idle_minutes: number;
  /** ISO time; null while nothing ends this machine by itself. */
  readonly shutdown_at: string | null;
  readonly shutdown_in_minutes: number | null;
  readonly model_loaded: string;
  /** Per cent of the first GPU; -1 where it is not known, as with MIG. */
  readonly gpu_utilization: number;
  readonly boot_time: string;
  readonly last_sglang_activity: string | null;
  readonly last_n8n_activity: string | null;
  readonly sglang_tokens_total: number;
  readonly n8n_executions_total: number;
  readonly sglang_metrics_healthy: boolean;
  readonly n8n_metrics_healthy: boolean;
  /** Null until the machine is used for the first time. */
  readonly idle_seconds: number | null;
  /** Null without a rule. */
  readonly idle_timeout_minutes: number | null;

  readonly server: "gpu";
  readonly gpus: readonly Gpu[];
  /** SSH connections; null where that cannot be told. */
  readonly sessions: number | null;
  readonly jobs_running: number;
  readonly idle_warning: string | null;
  readonly lease_warning: string | null;
  /** Why the machine is being ended. */
  readonly ending: string | null;
  /** Whether it has what it takes to end the machine: a key is in its memory only, and lost when the machine restarts. */
  readonly can_end: boolean;
}

/** What a machine is asked about. */
export interface Machine {
  readonly world: World;
  readonly instanceId: string | undefined;
  readonly watch: Watch;
  readonly gpus: Gpus;
  readonly models: Models;
  readonly lease: Lease | undefined;
  jobsRunning(): number;
}

/** The machine's state now. */
export async function readStatus(machine: Machine): Promise<Status> {
  const { world, watch, models: { sglang, n8n } } = machine;
  const [gpus = [], lease] = await Promise.all([machine.gpus.now(), machine.lease?.read()]);
  const now = world.clock.now();
  const endsAt = lease?.leaseEndsAt;
  const bootedMs = lease?.createdAt ?? watch.startedMs;
  return {
    instance_id: machine.instanceId ?? hostname(),
    status: "healthy",
    uptime_minutes: wholeMinutes(now - bootedMs),
    idle_minutes: wholeMinutes(now - watch.idleSinceMs),
    shutdown_at: isoOf(endsAt),
    shutdown_in_minutes: endsAt === undefined ? null : wholeMinutes(endsAt - now),
    model_loaded: "not-loaded",
    gpu_utilization: Math.round(gpus[0]?.utilization ?? -1),
    boot_time: new Date(bootedMs).toISOString(),
    last_sglang_activity: isoOf(sglang.lastActivityMs),
    last_n8n_activity: isoOf(n8n.lastActivityMs),
    sglang_tokens_total: sglang.total,
    n8n_executions_total: n8n.total,
    sglang_metrics_healthy: sglang.isHealthy,
    n8n_metrics_healthy: n8n.isHealthy,
    idle_seconds: watch.lastActivityMs === undefined ? null : Math.floor((now - watch.idleSinceMs) / 1000),
    idle_timeout_minutes: watch.idle === undefined ? null : watch.idle.afterMs / 60_000,
    server: "gpu",
    gpus,
    sessions: watch.sessions ?? null,
    jobs_running: machine.jobsRunning(),
    idle_warning: watch.idleWarning ?? null,
    lease_warning: watch.leaseWarning ?? null,
    ending: watch.ending ?? null,
    can_end: watch.canEnd,
  };
}

function wholeMinutes(ms: number): number {
  return Math.max(0, Math.floor(ms / 60_000));
}

function isoOf(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
