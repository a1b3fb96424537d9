import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "./toolchain.ts";

/** One hash of these files of the repository, the dependencies, and the Bun that reads them: what is made of them is up to date. */
export function sourcesHash(patterns: readonly string[]): string {
  const hash = createHash("sha256").update(process.execPath + Bun.version);
  const paths = globSync([...patterns, "package.json", "bun.lock"], { cwd: root });
  for (const path of paths.filter((path) => statSync(join(root, path)).isFile()).sort()) {
    hash.update(`\0${path}\0`).update(readFileSync(join(root, path)));
  }
  return hash.digest("hex");
}
