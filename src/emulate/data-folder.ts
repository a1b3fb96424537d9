import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { GpuError } from "../errors.ts";
import { makePrivateFolder, readTextIfThere, writeWhole } from "../files.ts";
import { tryLock } from "../lock.ts";

/** Where an emulator keeps its machines: one emulator at a time. */
export interface DataFolder extends Disposable {
  readonly path: string;
  /** Held as long as the emulator lives. */
  readonly lockPath: string;
}

/** A Unix socket's path is at most 104 bytes on macOS, 108 on Linux; this is what a machine adds to the folder's. */
const maxPathBytes = 103 - "/local/i-00000000/agent.sock".length;

export async function openDataFolder(path: string): Promise<DataFolder> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new GpuError(`the folder \`${path}\` has too long a path for the sockets of its machines`, {
      hint: `\`--data\` takes another, of at most ${maxPathBytes} bytes`,
    });
  }
  await makePrivateFolder(path);
  const lockPath = join(path, "lock");
  const lock = tryLock(lockPath);
  if (lock) return { path, lockPath, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  throw new GpuError(`another emulator uses \`${path}\``, { hint: "`--data` takes another folder" });
}

const keptPath = (folder: DataFolder) => join(folder.path, "kept.json");

/** What an emulator that kept its machines wrote, once. What cannot be read is as if it were not there. */
export async function takeKept<T>(folder: DataFolder, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readTextIfThere(keptPath(folder));
  if (text === undefined) return undefined;
  await rm(keptPath(folder), { force: true });
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export async function writeKept(folder: DataFolder, kept: unknown): Promise<void> {
  await writeWhole(keptPath(folder), JSON.stringify(kept, null, 2));
}
