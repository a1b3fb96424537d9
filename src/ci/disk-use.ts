import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { Turns } from "./turn.ts";

/** Who serves streams meanwhile does not keep them waiting for longer than so many names take: a millisecond or two. */
const steps = 100;

/** What `st_blocks` counts (stat(2)). Holes in a file take none. */
const blockBytes = 512;

/**
 * Bytes on the disk of a file, or of all in a folder; more than `enough` is not counted. What vanishes meanwhile has
 * none; links are not followed. A file with several names counts once.
 */
export async function diskUse(path: string, { enough = Infinity }: { enough?: number } = {}): Promise<number> {
  const turns = new Turns({ steps });
  const linked = new Set<string>();
  const waiting = [path];
  let bytes = 0;
  for (let next = waiting.pop(); next !== undefined && bytes <= enough; next = waiting.pop()) {
    await turns.step();
    const stats = statsOf(next);
    if (stats?.isDirectory()) {
      for (const name of namesIn(next)) waiting.push(join(next, name));
    } else if (stats) {
      const inode = `${stats.dev}:${stats.ino}`;
      if (stats.nlink > 1 && linked.has(inode)) continue;
      if (stats.nlink > 1) linked.add(inode);
      bytes += stats.blocks * blockBytes;
    }
  }
  return bytes;
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
