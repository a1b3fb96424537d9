import type { World } from "../world.ts";
import { copyFile } from "./copy-file.ts";
import type { Files } from "./files.ts";
import { localFiles } from "./local-files.ts";
import { type Bytes, folderOf, join, shown } from "./names.ts";
import { finishFolderHere, makeFolderHere, unpack } from "./near.ts";
import { each } from "./pool.ts";
import { longFileBytes } from "./push.ts";
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
      await makeFolders(root);
      for (const path of removed) await localFiles.remove(at(path));
      for (const path of removedFolders) await localFiles.removeFolder(at(path));
      for (const path of folders) makeFolderHere(at(path));
      const isLong = (path: Bytes) => far === undefined || (listing.get(path)?.bytes ?? 0) >= longFileBytes;
      const long = files.filter(isLong);
      const from = long.length > 0 ? await openFiles() : undefined;
      const small = from === undefined ? files : files.filter((path) => !isLong(path));
      const progress = { onBytes: (bytes: number) => gauge.addBytes(bytes), onFile: () => gauge.addFile() };
      const missing = far === undefined
        ? []
        : await unpack(far.fetch(small), { ...{ world, root, listing, ...progress }, wanted: new Set(small) });
      if (from !== undefined) {
        await each(long, far === undefined ? 32 : 2, async (path) => {
          await copyFile({
            ...{ world, from, to: localFiles, isResuming: true, signal },
            source: join(folder === "" ? "." : folder, path),
            destination: at(path),
            onBytes: progress.onBytes,
            onResumed: (bytes) => gauge.skipBytes(bytes),
          });
          gauge.addFile();
        });
      }
      for (const path of links) await localFiles.makeLink(listing.get(path)?.target ?? "", at(path));
      for (const path of folders.toReversed()) {
        const found = listing.get(path);
        if (found) finishFolderHere(at(path), found);
      }
      return missing.map((path) => ({ path, message: `cannot read \`${shown(path)}\` there` }));
    },
  };
}

async function makeFolders(path: Bytes): Promise<void> {
  if (await localFiles.stat(path) !== undefined) return;
  await makeFolders(folderOf(path));
  await localFiles.makeFolder(path, 0o777);
}
