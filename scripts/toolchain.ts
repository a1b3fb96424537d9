import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** The folder of this repository. */
export const root = join(import.meta.dir, "..");

/** The Deno that formats, lints and checks types: the file itself, because npm's launcher for it needs Node. */
export function denoPath(): string {
  const folder = join(root, "node_modules/@deno");
  const [platform] = existsSync(folder) ? readdirSync(folder) : [];
  if (!platform) throw new Error("Deno is not installed; run `scripts/toolchain`");
  return join(folder, platform, process.platform === "win32" ? "deno.exe" : "deno");
}
