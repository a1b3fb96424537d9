import { readFileSync } from "node:fs";

/**
 * Has what is written to the terminal go out as it is, once it is in raw mode: what a remote terminal prints was made
 * into lines there, and a bare line feed moves its cursor straight down. The end of raw mode ends this as well.
 */
export function leaveOutputAlone(platform: NodeJS.Platform): void {
  if (platform === "win32") return;
  try {
    Bun.spawnSync(["stty", "-opost"], { stdin: "inherit", stdout: "ignore", stderr: "ignore" });
  } catch {
    // Without it full-screen programs may look odd; all else is the same.
  }
}

/** Whether the terminal is ours to read: a job in the background that tries is stopped by the system. */
export function isForeground(platform: NodeJS.Platform): boolean {
  if (platform !== "linux") return true;
  try {
    // proc(5): behind the name in brackets come state, ppid, pgrp, session, tty_nr, tpgid.
    const fields = readFileSync("/proc/self/stat", "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return fields[2] === fields[5];
  } catch {
    return true; // Without /proc there is nothing to ask.
  }
}
