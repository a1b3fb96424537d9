import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { chmod, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { GpuError, systemCode } from "./errors.ts";

/** The text of a file, or undefined when there is none. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    // A pipe or a device never ends.
    if (!(await stat(path)).isFile()) throw new GpuError(`\`${path}\` is not a file`);
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    if (error instanceof GpuError) throw error;
    throw new GpuError(`cannot read \`${path}\`: ${reasonOf(error)}`, { cause: error });
  }
}

/** A folder that only its owner may enter, with those above it. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new GpuError(`cannot make the folder \`${path}\`: ${reasonOf(error)}`, { cause: error });
  }
}

/** Writes a file whole or not at all, in a folder that is made where it is missing; its owner's alone unless `mode` says more. */
export async function writeWhole(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  await makePrivateFolder(dirname(path));
  await replaceWhole(path, content, mode);
}

/** The same where the folder must be there already: what was removed meanwhile does not come back. */
export async function replaceWhole(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const draft = `${path}.${crypto.randomUUID()}.new`;
  try {
    await using file = await open(draft, "wx", mode);
    await file.writeFile(content);
    await file.sync();
    await chmod(draft, mode);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw new GpuError(`cannot write \`${path}\`: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Writes a small file whole or not at all that anybody can make again: quickly, so one of a computer that lost power may be
 * empty or old.
 */
export function writeCache(path: string, content: string): void {
  const draft = `${path}.${crypto.randomUUID()}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(draft, content, { mode: 0o600, flag: "wx" });
    renameSync(draft, path);
  } catch (error) {
    try {
      rmSync(draft, { force: true });
    } catch {
      // Where it could not be made it cannot always be removed either, and the first reason is the one to say.
    }
    throw new GpuError(`cannot write \`${path}\`: ${reasonOf(error)}`, {
      hint: "XDG_CACHE_HOME names another folder for what is kept between runs",
      cause: error,
    });
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOSPC: "the disk is full",
  SQLITE_FULL: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the disk is read-only",
  ENOENT: "there is no such file or folder",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "a file is in the way",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its links lead in a circle",
};

/** A system error in words a person knows. */
export function reasonOf(error: unknown): string {
  return reasons[systemCode(error) ?? ""] ?? (error instanceof Error ? error.message : String(error));
}
