import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { systemCode } from "./errors.ts";

/** What became of a signal; `denied`: there is somebody, but another user's. */
export type Delivery = "sent" | "gone" | "denied";

/** Sends a signal to a process, or to a group when `pid` is negative. 0 only asks whether there is somebody. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): Delivery {
  try {
    process.kill(pid, signal);
    return "sent";
  } catch (error) {
    const code = systemCode(error);
    if (code === "ESRCH") return "gone";
    if (code === "EPERM") return "denied";
    throw error;
  }
}

/** The exit code that a shell gives to what a signal ended: 128 and the signal's number. */
export function signalExitCode(signal: string): number {
  return 128 + (Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0);
}

/** A living process as Linux shows it. */
export interface ProcProcess {
  readonly pid: number;
  readonly parent: number;
  /** Its process group: the pid of the group's first process. */
  readonly group: number;
  /** Whether its environment holds `NAME=value`; false where that is another user's secret. */
  carries(mark: string): boolean;
}

/** Every living process of this computer, from Linux's /proc (proc_pid_stat(5)). */
export function readProc(): ProcProcess[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const stat = readIfThere(`/proc/${name}/stat`);
    // `pid (command) state parent group …`; the command may hold anything.
    const [state, parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (stat === "" || state === "Z" || state === "X") return [];
    let environment: readonly string[] | undefined;
    return [{
      pid: Number(name),
      parent: Number(parent),
      group: Number(group),
      carries: (mark) => (environment ??= readIfThere(`/proc/${name}/environ`).split("\0")).includes(mark),
    }];
  });
}

/** Adds to `found` what these processes started, and what that started. */
export function addDescendants(found: Set<number>, all: readonly { pid: number; parent: number }[]): void {
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It ended meanwhile, or is another user's.
  }
}
