import { GpuError } from "../errors.ts";
import type { World } from "../world.ts";
import { copyFile } from "./copy-file.ts";
import type { Files } from "./files.ts";
import { localFiles } from "./local-files.ts";
import { type Bytes, folderOf, join, shown } from "./names.ts";
import { unpack } from "./near.ts";
import { each } from "./pool.ts";
import { longFileBytes } from "./push.ts";
import { Refusals } from "./refused.ts";
import type { ShellFar } from "./shell-far.ts";
import type { Mover } from "./sync.ts";

interface Pulling {
  readonly world: Pick<World, "clock" | "random">;
  /** Absolute. */
  readonly root: Bytes;
  readonly folder: Bytes;
  readonly signal: AbortSignal;
  /** Undefined: everything goes over SFTP. */
  readonly far: ShellFar | undefined;
  /** Undefined where the machine has no SFTP. */
  files(): Promise<Files | undefined>;
}

/** Makes the folder here like the one there. All folders that are written into are checked to be folders first. */
export function pull({ world, root, folder, signal, far, files: openFiles }: Pulling): Mover {
  return {
    async apply({ difference: { files, links, folders, removed, removedFolders }, source: listing, gauge }) {
      const at = (path: Bytes) => `${root}/${path}`;
      const refusals = new Refusals(signal);
      await makeFolders(root);
      for (const path of removed) await refusals.attempt(path, () => localFiles.remove(at(path)));
      for (const path of removedFolders) await refusals.attempt(path, () => localFiles.removeFolder(at(path)));
      for (const path of folders) await refusals.attempt(path, () => makeFolder(at(path)));
      const isLong = (path: Bytes) => far === undefined || (listing.get(path)?.bytes ?? 0) >= longFileBytes;
      const long = files.filter(isLong);
      const from = long.length > 0 ? await openFiles() : undefined;
      const small = files.filter((path) => !refusals.includes(path) && (from === undefined || !isLong(path)));
      const progress = { onBytes: (bytes: number) => gauge.addBytes(bytes), onFile: () => gauge.addFile() };
      if (far !== undefined) {
        const unpacking = { ...{ world, root, listing, ...progress }, wanted: new Set(small) };
        refusals.add(await unpack(far.fetch(small), unpacking));
      }
      if (from !== undefined) {
        await each(long, far === undefined ? 32 : 2, (path) =>
          refusals.attempt(path, async () => {
            await copyFile({
              ...{ world, from, to: localFiles, isResuming: true, signal },
              source: join(folder === "" ? "." : folder, path),
              destination: at(path),
              onBytes: progress.onBytes,
              onResumed: (bytes) => gauge.skipBytes(bytes),
            });
            gauge.addFile();
          }));
      }
      for (const path of links) {
        await refusals.attempt(path, () => localFiles.makeLink(listing.get(path)?.target ?? "", at(path)));
      }
      for (const path of folders.toReversed()) {
        const found = listing.get(path);
        if (found) await refusals.attempt(path, () => localFiles.setFolder(at(path), found));
      }
      return refusals.all;
    },
  };
}

/** Makes a folder that only its owner may enter; what is there must be one. */
async function makeFolder(path: Bytes): Promise<void> {
  const there = await localFiles.lstat(path);
  if (there === undefined) await localFiles.makeFolder(path);
  else if (there.kind !== "folder") throw new GpuError(`\`${shown(path)}\` is no folder`);
}

async function makeFolders(path: Bytes): Promise<void> {
  if (await localFiles.stat(path) !== undefined) return;
  await makeFolders(folderOf(path));
  await localFiles.makeFolder(path, 0o777);
}
