import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** One process that was started with this HOME, by whatever route. */
export interface Trace {
  readonly pid: number;
  readonly command: string;
}

/** The processes whose environment or arguments name this folder, except this one. */
export function processesOf(home: string): Trace[] {
  const found = existsSync("/proc/self/environ") ? fromProc(home) : fromPs(home);
  return found.filter(({ pid }) => pid !== process.pid);
}

/** Folders of local machines that are still there. */
export function machineFoldersOf(home: string): string[] {
  const folder = join(stateFolderOf(home), "local");
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}

/** Where a `gpu` with this HOME, and no other variable, keeps its state. */
export function stateFolderOf(home: string): string {
  return process.platform === "darwin" ? join(home, "Library/Application Support/gpu") : join(home, ".local/state/gpu");
}

function fromProc(home: string): Trace[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const command = readOrEmpty(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
    const isOfHome = command.includes(home) || readOrEmpty(`/proc/${name}/environ`).includes(home);
    // A process that has ended and waits for its parent has neither.
    return isOfHome ? [{ pid: Number(name), command }] : [];
  });
}

/** Of a process that is gone, or another user's, nothing can be read. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function fromPs(home: string): Trace[] {
  const { stdout } = spawnSync("ps", ["-Aww", "-E", "-o", "pid=,command="], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line.includes(home)).map((line) => {
    const [pid = "", ...command] = line.trim().split(" ");
    return { pid: Number(pid), command: command.join(" ") };
  });
}
