import type { World } from "../world.ts";
import type { Gauge } from "./amounts.ts";
import { archiveOf } from "./archive.ts";
import { copyFile } from "./copy-file.ts";
import type { Files } from "./files.ts";
import type { Difference, Listing } from "./listing.ts";
import { localFiles } from "./local-files.ts";
import { type Bytes, folderOf, join } from "./names.ts";
import { each } from "./pool.ts";
import type { SftpFar } from "./sftp-far.ts";
import type { ShellFar } from "./shell-far.ts";
import type { Mover } from "./sync.ts";

/** A longer file goes by itself: it is put in place when it is whole, and gone on with after an interruption. */
export const longFileBytes = 8 * 2 ** 20;

interface Pushing {
  readonly world: Pick<World, "random">;
  /** Absolute. */
  readonly root: Bytes;
  readonly folder: Bytes;
  readonly signal: AbortSignal;
}

interface ShellPushing extends Pushing {
  readonly far: ShellFar;
  /** Undefined where the machine has no SFTP: then long files are part of the stream too. */
  files(): Promise<Files | undefined>;
}

/** Everything as one stream, but for long files. */
export function pushThroughShell({ world, root, folder, signal, far, files: openFiles }: ShellPushing): Mover {
  return {
    async apply({ files, links, folders, removed, removedFolders }: Difference, listing: Listing, gauge: Gauge) {
      const long = files.filter((path) => (listing.get(path)?.bytes ?? 0) >= longFileBytes);
      const to = long.length > 0 ? await openFiles() : undefined;
      const small = to === undefined ? files : files.filter((path) => !long.includes(path));
      await far.remove(removed, removedFolders);
      if (files.length + links.length + folders.length === 0) return;
      const send = (what: { files: readonly Bytes[]; links: readonly Bytes[]; folders: readonly Bytes[] }) =>
        far.send(archiveOf({
          ...{ root, listing, ...what },
          onBytes: (bytes) => gauge.addBytes(bytes),
          onFile: () => gauge.addFile(),
        }));
      await send({ files: small, links, folders });
      if (to === undefined) return;
      await each(long, 2, async (path) => {
        await copyFile({
          ...{ world, from: localFiles, to, isResuming: true, signal },
          source: `${root}/${path}`,
          destination: join(folder, path),
          onBytes: (bytes) => gauge.addBytes(bytes),
          onResumed: (bytes) => gauge.skipBytes(bytes),
        });
        gauge.addFile();
      });
      // Their folders have another time now.
      const touched = [...new Set(long.map(folderOf))].filter((path) => listing.has(path));
      if (touched.length > 0) await send({ files: [], links: [], folders: touched });
    },
  };
}

/** One file after the other, many at once. */
export function pushThroughSftp(
  { world, root, folder, signal, far, files: to }: Pushing & { far: SftpFar; files: Files },
): Mover {
  const at = (path: Bytes) => join(folder === "" ? "." : folder, path);
  return {
    async apply({ files, links, folders, removed, removedFolders }: Difference, listing: Listing, gauge: Gauge) {
      await makeFolders(to, folder === "" ? "." : folder);
      await far.remove(removed, removedFolders);
      for (const path of folders) {
        if ((await to.lstat(at(path)))?.kind !== "folder") await to.makeFolder(at(path));
      }
      await each(files, 32, async (path) => {
        await copyFile({
          ...{ world, from: localFiles, to, isResuming: true, signal },
          source: `${root}/${path}`,
          destination: at(path),
          onBytes: (bytes) => gauge.addBytes(bytes),
          onResumed: (bytes) => gauge.skipBytes(bytes),
        });
        gauge.addFile();
      });
      for (const path of links) await to.makeLink(listing.get(path)?.target ?? "", at(path));
      for (const path of folders.toReversed()) {
        const found = listing.get(path);
        if (found) await to.setFolder(at(path), found);
      }
    },
  };
}

async function makeFolders(files: Files, path: Bytes): Promise<void> {
  if (await files.stat(path) !== undefined) return;
  const above = folderOf(path);
  if (above !== path && above !== ".") await makeFolders(files, above);
  await files.makeFolder(path, 0o777);
}
