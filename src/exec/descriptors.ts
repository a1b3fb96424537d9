import { readdirSync, readFileSync } from "node:fs";

/** For what else is opened meanwhile: modules, the journal, a jump host. */
const spare = 24;

/**
 * How many machines can be worked on at once with as many open files as the system allows this process, where that can
 * be told. A connection beyond that fails as if the other side had refused it.
 */
export function mostAtOnce(platform: NodeJS.Platform, filesEach: number): number {
  if (platform !== "linux") return Infinity;
  try {
    // proc_pid_limits(5): name, soft limit, hard limit, unit.
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    if (limit === undefined) return Infinity;
    const free = Number(limit) - readdirSync("/proc/self/fd").length - spare;
    return Math.max(1, Math.floor(free / filesEach));
  } catch {
    return Infinity;
  }
}
