import { statSync } from "node:fs";

/**
 * Names one build of this executable: its version, and which file it is. Another file of the same name and version is
 * another build, so a process that was started before an update does nothing for those that came after.
 */
export function buildOf(version: string, executable: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(executable);
    return `${version} ${executable} ${ino} ${size} ${mtimeMs}`;
  } catch {
    return `${version} ${executable}`;
  }
}
