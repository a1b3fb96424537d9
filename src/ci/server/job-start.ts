import { existsSync } from "node:fs";
import { GpuError } from "../../errors.ts";
import type { World } from "../../world.ts";
import type { Isolation, JobLimits } from "../runner/job-order.ts";
import { hasBegun, type RunningJob, startJob } from "../runner/job-process.ts";
import type { Places } from "./places.ts";
import type { SealedVariables } from "./sealed.ts";
import type { JobStore } from "./store.ts";
import { wireTime } from "./wire-time.ts";

/** How jobs run. */
export interface JobRules {
  /** What jobs see of the environment; see `jobEnvironment`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly bunFolder?: string;
  /** How many jobs run at a time; by default one, as there is one GPU. */
  readonly parallelJobs?: number;
  readonly limits?: JobLimits;
  readonly isolation?: Isolation;
}

interface StartOptions {
  readonly world: World;
  readonly rules: JobRules;
  readonly store: JobStore;
  readonly places: Places;
  readonly sealed: SealedVariables;
}

/** Begins a job that waited: what it needs lies in the store and in its places. */
export function startQueued(id: string, { world, rules, store, places, sealed }: StartOptions): RunningJob {
  const secrets = sealed.get(id);
  if (secrets === undefined) throw new GpuError("its variables cannot be read any more");
  store.begin(id, wireTime(world.clock.now()));
  return startJob(world, {
    folder: places.work(id),
    secrets,
    order: {
      id,
      archive: places.upload(id),
      log: places.log(id),
      args: store.argsOf(id),
      environment: { ...rules.environment },
      bunFolder: rules.bunFolder,
      hidden: [places.root],
      limits: rules.limits ?? {},
      isolation: rules.isolation ?? "process",
    },
  });
}

/** How often it is looked whether a job has begun, in milliseconds. */
const lookMs = 100;

/** Removes a job's variables once its process has them: one that ends before that needs them again. */
export async function forgetVariables(
  id: string,
  { world, places, sealed, signal }: Pick<StartOptions, "world" | "places" | "sealed"> & { signal: AbortSignal },
): Promise<void> {
  while (sealed.has(id)) {
    try {
      const folder = places.work(id);
      if (!existsSync(folder)) return;
      if (hasBegun(folder)) sealed.remove(id);
      await world.clock.sleep(lookMs, signal);
    } catch {
      return; // The end of the job removes them, too.
    }
  }
}
