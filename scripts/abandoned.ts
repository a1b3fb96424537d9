import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const anHourMs = 3_600_000;

/** Removes the folders that builds were working in when they were killed; no build takes an hour. */
export function removeAbandoned(dist: string): void {
  const names = existsSync(dist) ? readdirSync(dist).filter((name) => /^(?:types-|\.build-)\w{6}$/.test(name)) : [];
  for (const path of names.map((name) => join(dist, name))) {
    // Another build may have removed it meanwhile.
    const changedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - changedMs > anHourMs) rmSync(path, { recursive: true, force: true });
  }
}
