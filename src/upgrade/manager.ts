import type { World } from "../world.ts";
import { runProgram } from "./program.ts";

/** A package manager that an executable belongs to, and how it is asked for a newer one. */
export interface Manager {
  readonly name: string;
  readonly command: string;
}

/** Who installed the executable at `path` (absolute, links followed); undefined where nobody says that it is theirs. */
export async function findManager(world: World, path: string, signal: AbortSignal): Promise<Manager | undefined> {
  if (/[\\/]node_modules[\\/]/.test(path)) return { name: "npm", command: "npm install --global @gpu-cli/gpu@latest" };
  if (/\/(Cellar|linuxbrew|homebrew)\//.test(path)) return { name: "Homebrew", command: "brew upgrade gpu" };
  if (/^\/nix\/store\//.test(path)) return { name: "Nix", command: "nix profile upgrade" };
  if (world.platform !== "linux" || !/^\/(usr\/(?!local\/)|opt\/|bin\/)/.test(path)) return undefined;
  const options = { timeoutMs: 10_000, signal };
  const dpkg = await runProgram(world, ["dpkg-query", "--search", path], options);
  if (dpkg.exitCode === 0) return { name: "dpkg", command: "apt install ./gpu_<version>_<architecture>.deb" };
  const rpm = await runProgram(world, ["rpm", "--query", "--file", path], options);
  return rpm.exitCode === 0 ? { name: "rpm", command: "the way it was installed" } : undefined;
}
