import { readdir, readFile, readlink } from "node:fs/promises";
import { oneLine } from "../safe-text.ts";
import type { World } from "../world.ts";

/** The process that listens on a local TCP port, where the system tells: Linux, and processes we may look at. */
export async function findPortHolder(
  port: number,
  world: Pick<World, "platform">,
): Promise<{ pid: number; name: string } | undefined> {
  if (world.platform !== "linux") return undefined;
  const inodes = await listeningInodes(port);
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if (!await holdsOne(pid, inodes)) continue;
    const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    // A process names itself: only what is safe to show.
    return { pid: Number(pid), name: oneLine(name) || "a process" };
  }
  return undefined;
}

async function listeningInodes(port: number): Promise<Set<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = new Set<string>();
  for (const path of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const text = await readFile(path, "utf8").catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const columns = line.trim().split(/\s+/);
      // 0A is LISTEN; the tenth column is the inode of the socket.
      if (columns[1]?.endsWith(suffix) && columns[3] === "0A" && columns[9]) inodes.add(columns[9]);
    }
  }
  return inodes;
}

async function holdsOne(pid: string, inodes: Set<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = await readdir(folder).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`${folder}/${descriptor}`).catch(() => "");
    if (target.startsWith("socket:[") && inodes.has(target.slice(8, -1))) return true;
  }
  return false;
}
