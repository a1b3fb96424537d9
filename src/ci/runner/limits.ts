import { readFileSync } from "node:fs";
import type { World } from "../../world.ts";
import { amountText } from "./amount.ts";
import { type ControlGroups, makeControlGroups } from "./cgroup.ts";
import type { JobLimits } from "./job-order.ts";
import { type Family, membersOf } from "./processes.ts";

/** Limits in force around a job. */
export interface Limiting {
  /** Shell words before each line of the job, which put its shell where the limits are. */
  readonly prefix: string;
  /** What cannot be limited here, for the job's log. */
  readonly problems: readonly string[];
  /** Resolves with what was exceeded, where somebody has to look; rejects never. */
  watch(family: Family, signal: AbortSignal): Promise<string | undefined>;
  /** What was exceeded, as far as the kernel saw to it. */
  exceeded(): string | undefined;
  /** To be called when nothing of the job runs any more. */
  end(): Promise<void>;
}

const lookMs = 250;
const leavingMs = 20;
const maxRounds = 50;

/**
 * Memory, processes and cores of a job. Control groups hold them where this process may make some; else memory and
 * processes are looked at four times a second on Linux, where a fast one may be over them for a moment.
 */
export function limit(
  { clock, platform }: Pick<World, "clock" | "platform">,
  { id, limits, makeGroups = makeControlGroups }: {
    id: string;
    limits: JobLimits;
    makeGroups?: typeof makeControlGroups;
  },
): Limiting {
  const groups = makeGroups(id, limits, platform);
  const isHeld = (what: "memory" | "processes" | "cpus") => groups?.holds.has(what) ?? false;
  const canLook = platform === "linux";
  const { memoryBytes, processes, cpus } = limits;
  const toLookAt = {
    memoryBytes: canLook && !isHeld("memory") ? memoryBytes : undefined,
    processes: canLook && !isHeld("processes") ? processes : undefined,
  };
  const problems = [
    ...(memoryBytes !== undefined && !canLook ? ["its memory cannot be limited on this system"] : []),
    ...(processes !== undefined && !canLook ? ["its processes cannot be limited on this system"] : []),
    ...(cpus !== undefined && !isHeld("cpus")
      ? ["its cores cannot be limited here: this server may not make control groups"]
      : []),
  ];
  return {
    prefix: prefixFor(groups),
    problems,
    async watch(family, signal) {
      if (toLookAt.memoryBytes === undefined && toLookAt.processes === undefined) return undefined;
      while (!signal.aborted) {
        const found = excessOf(membersOf(family), toLookAt);
        if (found !== undefined) return found;
        await clock.sleep(lookMs, signal).catch(() => {});
      }
      return undefined;
    },
    exceeded: () => (memoryBytes !== undefined && groups?.isOutOfMemory() ? memoryText(memoryBytes) : undefined),
    async end() {
      // A process that was just killed may still be leaving.
      for (let round = 0; round < maxRounds && groups?.remove() === false; round++) await clock.sleep(leavingMs);
    },
  };
}

function prefixFor(groups: ControlGroups | undefined): string {
  // No core of a crashed test on the server's disk.
  return ["ulimit -c 0", ...(groups?.entrances ?? []).map((file) => `{ echo $$ > ${file}; } 2>/dev/null`)].map((line) =>
    `${line}\n`
  )
    .join("");
}

function excessOf(
  pids: readonly number[],
  { memoryBytes = Infinity, processes = Infinity }: JobLimits,
): string | undefined {
  if (pids.length > processes) return `it ran more than ${processes} processes`;
  const resident = pids.reduce((sum, pid) => sum + ownBytes(pid), 0);
  // Memory that was copied by a fork and not written since counts once; asking for that takes longer.
  if (resident <= memoryBytes) return undefined;
  return pids.reduce((sum, pid) => sum + (sharedBytes(pid) ?? 0), 0) > memoryBytes
    ? memoryText(memoryBytes)
    : undefined;
}

function memoryText(bytes: number): string {
  return `it used more than ${amountText(bytes)} of memory`;
}

/** `RssAnon` and `RssShmem` of proc_pid_status(5). */
function ownBytes(pid: number): number {
  const text = textOf(`/proc/${pid}/status`);
  return [...text.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB/gm)].reduce((sum, [, kB]) => sum + Number(kB) * 1024, 0);
}

/** `Pss_Anon` and `Pss_Shmem`: what is shared with others, by their number. */
function sharedBytes(pid: number): number | undefined {
  const text = textOf(`/proc/${pid}/smaps_rollup`);
  const parts = [...text.matchAll(/^Pss_(?:Anon|Shmem):\s+(\d+) kB/gm)];
  return parts.length === 0 ? ownBytes(pid) : parts.reduce((sum, [, kB]) => sum + Number(kB) * 1024, 0);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It has ended.
  }
}
