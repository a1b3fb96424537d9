import { readdirSync, readFileSync } from "node:fs";
import { systemCode } from "../errors.ts";
import type { World } from "../world.ts";

/** What belongs to a job: the process groups it was started in, and every process with its mark in the environment. */
export interface Family {
  readonly groups: readonly number[];
  /** `NAME=value`, as the job's processes inherit it. */
  readonly mark: string;
}

const pollMs = 25;

/** Ends a family: asks first, then kills, again until nothing of it is left. Daemons that left their group are found too. */
export async function endFamily(
  world: Pick<World, "clock" | "platform">,
  family: Family,
  { graceMs }: { graceMs: number },
): Promise<void> {
  const graceEnds = world.clock.monotonic() + graceMs;
  let signal: "SIGTERM" | "SIGKILL" = "SIGTERM";
  let isAsked = false;
  for (let round = 0; round < 400; round++) {
    const targets = world.platform === "linux" ? membersOf(family) : family.groups.map((group) => -group);
    if (targets.length === 0) return;
    if (signal === "SIGTERM" && world.clock.monotonic() >= graceEnds) signal = "SIGKILL";
    if (signal === "SIGKILL" || !isAsked) { for (const pid of targets) send(pid, signal); }
    // Elsewhere than on Linux nobody says who is left: one question, one kill.
    if (world.platform !== "linux" && signal === "SIGKILL") return;
    isAsked = true;
    await world.clock.sleep(pollMs);
  }
}

function send(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH" && systemCode(error) !== "EPERM") throw error;
  }
}

function membersOf({ groups, mark }: Family): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      // `pid (name) state ppid pgrp …`; a name may hold spaces and brackets.
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") return false;
      if (groups.includes(Number(group))) return true;
      return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
    } catch {
      return false; // It is gone, or somebody else's.
    }
  });
}
