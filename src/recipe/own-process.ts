import type { ChildProcess } from "node:child_process";
import type { SpawnOptions, World } from "../world.ts";

/**
 * Starts this executable with a command line that no list of processes shows, since parameters of a recipe may be
 * secrets: it reads the words from its stdin. `shown` stands there in their place.
 */
export function startPrivately(
  { spawn, self }: Pick<World, "spawn" | "self">,
  words: readonly string[],
  { shown, ...options }: Omit<SpawnOptions, "stdin"> & { readonly shown: string },
): ChildProcess {
  const child = spawn([...self, ":run", shown], { ...options, stdin: "pipe" });
  // That it could not be started is told by its own events.
  child.stdin?.once("error", () => {}).end(JSON.stringify(words));
  return child;
}
