import { dlopen } from "bun:ffi";
import { readFileSync } from "node:fs";
import { libcOf } from "../libc.ts";
import type { World } from "../world.ts";

/** The pages are read from the file again when they are used. `MADV_DONTNEED` of Linux's `mman-common.h`. */
const dontNeed = 4;

/**
 * Gives back the memory that only starting took: a process that sleeps for hours needs little of the runtime's code.
 * Linux alone has what this takes; elsewhere nothing happens.
 */
export function shrink({ platform, self: [executable = ""] }: Pick<World, "platform" | "self">): void {
  const library = platform === "linux" ? libcOf(platform) : undefined;
  if (library === undefined) return;
  Bun.gc(true);
  try {
    const { symbols } = dlopen(library, { madvise: { args: ["u64", "u64", "i32"], returns: "i32" } });
    for (const { start, end } of codeOf(executable)) symbols.madvise(start, end - start, dontNeed);
  } catch {
    // It only stays larger.
  }
}

/** Where this process has the code of its executable: pages that are never written, so nothing is lost. */
function codeOf(executable: string): { start: number; end: number }[] {
  return readFileSync("/proc/self/maps", "utf8").split("\n").flatMap((line) => {
    const [, start = "", end = "", path] = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \S+\s+(.*)$/.exec(line) ?? [];
    return path === executable ? [{ start: parseInt(start, 16), end: parseInt(end, 16) }] : [];
  });
}
