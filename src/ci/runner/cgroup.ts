import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JobLimits } from "./job-order.ts";

/** Control groups of one job (https://docs.kernel.org/admin-guide/cgroup-v2.html): walls that its processes cannot pass. */
export interface ControlGroups {
  /** Which limits they hold. */
  readonly holds: ReadonlySet<"memory" | "processes" | "cpus">;
  /** Files to which a process writes its number to be in them. */
  readonly entrances: readonly string[];
  /** Whether the kernel ended a process for its memory. */
  isOutOfMemory(): boolean;
  /** To be called when nothing of the job runs any more. Returns false while something is still in them. */
  remove(): boolean;
}

const root = "/sys/fs/cgroup";
const periodUs = 100_000;

/**
 * Control groups for these limits, as far as this system lets us make them; undefined where it does not at all. There
 * is one without limits, too: it tells what belongs to the job.
 */
export function makeControlGroups(id: string, limits: JobLimits, platform: NodeJS.Platform): ControlGroups | undefined {
  if (platform !== "linux") return undefined;
  const name = nameOf(id);
  const wanted = settingsFor(limits);
  const isUnified = existsSync(join(root, "cgroup.controllers"));
  const made = isUnified ? unified(name, wanted) : separate(name, wanted);
  if (made.length === 0) return undefined;
  return {
    holds: new Set(made.flatMap(({ holds }) => holds)),
    entrances: made.map(({ folder }) => join(folder, "cgroup.procs")),
    isOutOfMemory: () =>
      made.some(({ folder }) => /^oom_kill [1-9]/m.test(textOf(folder, ["memory.events", "memory.oom_control"]))),
    remove: () => made.filter(({ folder }) => !removeFolder(folder)).length === 0,
  };
}

/** Removes what a killed process left of a job's control groups, once nothing of the job runs any more. */
export function removeControlGroups(id: string, platform: NodeJS.Platform): void {
  for (const folder of foldersOf(id, platform)) removeFolder(folder);
}

/** What runs in a job's control groups. */
export function processesInGroups(id: string, platform: NodeJS.Platform): number[] {
  const pids = foldersOf(id, platform).flatMap((folder) => textOf(folder, ["cgroup.procs"]).split("\n").map(Number));
  // 0 stands for one that this process cannot see.
  return [...new Set(pids.filter((pid) => pid > 0))];
}

function foldersOf(id: string, platform: NodeJS.Platform): string[] {
  if (platform !== "linux") return [];
  const parents = [...unifiedParents(), ...["memory", "pids", "cpu"].map((controller) => join(root, controller))];
  return parents.map((parent) => join(parent, nameOf(id)));
}

interface Setting {
  readonly limit: "memory" | "processes" | "cpus";
  readonly controller: "memory" | "pids" | "cpu";
  readonly unified: readonly (readonly [file: string, value: string])[];
  readonly separate: readonly (readonly [file: string, value: string])[];
}

interface Made {
  readonly folder: string;
  readonly holds: readonly Setting["limit"][];
}

function settingsFor({ memoryBytes, processes, cpus }: JobLimits): Setting[] {
  const settings: Setting[] = [];
  if (memoryBytes !== undefined) {
    const value = `${Math.ceil(memoryBytes)}`;
    settings.push({
      limit: "memory",
      controller: "memory",
      unified: [["memory.max", value], ["memory.swap.max", "0"]],
      separate: [["memory.limit_in_bytes", value]],
    });
  }
  const file = [["pids.max", processes === undefined ? "max" : `${Math.ceil(processes)}`]] as const;
  settings.push({ limit: "processes", controller: "pids", unified: file, separate: file });
  if (cpus !== undefined) {
    const quota = `${Math.max(1_000, Math.round(cpus * periodUs))}`;
    settings.push({
      limit: "cpus",
      controller: "cpu",
      unified: [["cpu.max", `${quota} ${periodUs}`]],
      separate: [["cpu.cfs_period_us", `${periodUs}`], ["cpu.cfs_quota_us", quota]],
    });
  }
  return settings;
}

/** Version 2: one group with all of them, beside our own. */
function unified(name: string, settings: readonly Setting[]): Made[] {
  for (const parent of unifiedParents()) {
    const enabled = textOf(parent, ["cgroup.subtree_control"]).split(/\s+/);
    const possible = settings.filter(({ controller }) => enabled.includes(controller));
    const folder = join(parent, name);
    if (possible.length === 0 || !makeFolder(folder)) continue;
    const held = possible.filter(({ unified: [[file, value] = ["", ""], ...rest] }) => {
      for (const [file, value] of rest) write(folder, file, value); // Where there is no swap there is no such file.
      return write(folder, file, value);
    });
    if (held.length > 0) return [{ folder, holds: held.map(({ limit }) => limit) }];
    removeFolder(folder);
  }
  return [];
}

/** Our own group, the one around it, and the top one: where a group for a job may be allowed. */
function unifiedParents(): ReadonlySet<string> {
  const own = /^0::(\/.*)$/m.exec(textOf("/proc/self", ["cgroup"]))?.[1] ?? "/";
  return new Set([join(root, own), join(root, own, ".."), root]);
}

function nameOf(id: string): string {
  return `gpu-ci-${id}`;
}

/** Version 1: a tree for each controller. */
function separate(name: string, settings: readonly Setting[]): Made[] {
  return settings.flatMap(({ limit, controller, separate }) => {
    const folder = join(root, controller, name);
    if (!existsSync(join(root, controller, "cgroup.procs")) || !makeFolder(folder)) return [];
    if (separate.every(([file, value]) => write(folder, file, value))) return [{ folder, holds: [limit] }];
    removeFolder(folder);
    return [];
  });
}

function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether it is gone. */
function removeFolder(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return !existsSync(path);
  }
}

function write(folder: string, file: string, value: string): boolean {
  try {
    writeFileSync(join(folder, file), value);
    return true;
  } catch {
    return false;
  }
}

function textOf(folder: string, files: readonly string[]): string {
  return files.map((file) => {
    try {
      return readFileSync(join(folder, file), "utf8");
    } catch {
      return "";
    }
  }).join("");
}
