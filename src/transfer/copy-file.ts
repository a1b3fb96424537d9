import { GpuError } from "../errors.ts";
import { pump } from "../ssh/sftp/pump.ts";
import type { World } from "../world.ts";
import type { Files, OpenFile, Stat } from "./files.ts";
import { type Bytes, folderOf, shown } from "./names.ts";
import { partNames, takeOver } from "./part.ts";

export interface FileCopy {
  readonly world: Pick<World, "clock" | "random">;
  readonly from: Files;
  readonly source: Bytes;
  readonly to: Files;
  readonly destination: Bytes;
  /** What an interrupted copy left is gone on with, and left for the next one. */
  readonly isResuming: boolean;
  /** Nothing can be there: the folder was made a moment ago. */
  readonly isFolderNew?: boolean;
  readonly signal?: AbortSignal;
  /** So many more bytes are there. */
  readonly onBytes?: (bytes: number) => void;
  /** So many bytes were there already. */
  readonly onResumed?: (bytes: number) => void;
}

/** A smaller file is begun anew: that is done before its beginning could be compared. */
const resumedFromBytes = 4 * 2 ** 20;
/**
 * Copies one file, with its permissions and its time of change. It is written under another name in the same folder
 * and gets its own when it is whole, so whatever happens, the old file or the new one is there.
 */
export async function copyFile(copy: FileCopy): Promise<void> {
  const { from, source, to, destination, isFolderNew = false, isResuming, signal, onBytes } = copy;
  if (!isFolderNew) refuseOther(await to.lstat(destination), `${to.prefix}${shown(destination)}`);
  await using reading = await from.openForReading(source);
  const stat = await reading.stat();
  if (stat.kind !== "file") throw new GpuError(`\`${from.prefix}${shown(source)}\` is not a file`);
  const isLong = isResuming && stat.bytes >= resumedFromBytes;
  const part = partNames(copy, stat);
  const begun = isLong && !isFolderNew ? await takeOver(copy, reading, stat, part) : undefined;
  await using writing = begun?.writing ?? await create(copy, part.path);
  let isDone = false;
  try {
    if (begun) copy.onResumed?.(begun.at);
    await pump({
      source: reading,
      sink: writing,
      from: begun?.at,
      // What says it is empty may be one of the system's own files, whose length nobody knows.
      to: stat.bytes === 0 ? undefined : stat.bytes,
      blockBytes: Math.min(from.blockBytes, to.blockBytes),
      signal,
      onBytes,
    });
    await writing.finish(stat);
    await putInPlace(copy, part.path, stat);
    isDone = true;
  } finally {
    if (!isDone && !isLong) await to.remove(part.path).catch(() => {});
  }
}

async function create({ to, destination }: FileCopy, path: Bytes): Promise<OpenFile> {
  try {
    return await to.create(path, destination);
  } catch (error) {
    const folder = folderOf(destination);
    if (await to.stat(folder) !== undefined) throw error;
    throw new GpuError(`there is no folder \`${to.prefix}${shown(folder)}\``, { cause: error });
  }
}

/** Another copy of the same file may have taken over the part, in which case both have written the same into it. */
async function putInPlace({ to, destination }: FileCopy, part: Bytes, { bytes, mtime }: Stat): Promise<void> {
  try {
    await to.rename(part, destination);
  } catch (error) {
    if (await to.lstat(part) !== undefined) throw error;
    const there = await to.lstat(destination);
    if (there?.kind === "file" && there.bytes === bytes && there.mtime === mtime) return;
    throw new GpuError(
      `another copy to \`${to.prefix}${shown(destination)}\` is under way, and took over from this one`,
      {
        hint: "let it end; the same command again copies what is missing then",
        cause: error,
      },
    );
  }
}

/** A device or a pipe must not be replaced by a file, and a folder cannot be. */
export function refuseOther(there: Stat | undefined, name: string): void {
  if (there === undefined || there.kind === "file" || there.kind === "link") return;
  throw new GpuError(
    there.kind === "folder" ? `\`${name}\` is a folder, and a file would replace it` : `\`${name}\` is not a file`,
  );
}
