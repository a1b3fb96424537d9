import type { World } from "../world.ts";
import { StagedArchive } from "./archive.ts";
import { copyFile } from "./copy-file.ts";
import type { Files } from "./files.ts";
import type { Listing } from "./listing.ts";
import { localFiles } from "./local-files.ts";
import { type Bytes, folderOf, join } from "./names.ts";
import { each } from "./pool.ts";
import { Refusals } from "./refused.ts";
import type { SftpFar } from "./sftp-far.ts";
import type { ShellFar } from "./shell-far.ts";
import type { Mover } from "./sync.ts";

/** A longer file goes by itself: it is put in place when it is whole, and gone on with after an interruption. */
export const longFileBytes = 8 * 2 ** 20;

interface Pushing {
  readonly world: Pick<World, "clock" | "random">;
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

/** Everything as a stream or a few, but for long files. */
export function pushThroughShell({ world, root, folder, signal, far, files: openFiles }: ShellPushing): Mover {
  return {
    async apply({ difference, source, there, gauge }) {
      const { files, links, folders, removed, removedFolders } = difference;
      const isLong = (path: Bytes) => (source.get(path)?.bytes ?? 0) >= longFileBytes;
      const long = files.filter(isLong);
      const to = long.length > 0 ? await openFiles() : undefined;
      const small = to === undefined ? files : files.filter((path) => !isLong(path));
      const refusals = new Refusals(signal);
      refusals.add(await far.remove(removed, removedFolders));
      if (files.length + links.length + folders.length === 0) return refusals.all;
      const open = (paths: readonly Bytes[]) => paths.filter((path) => !refusals.includes(path));
      const present = new Set([...there].filter(([, { kind }]) => kind === "folder").map(([path]) => path));
      for (const path of removedFolders) present.delete(path);
      const send = async (what: { files: readonly Bytes[]; links: readonly Bytes[]; folders: readonly Bytes[] }) => {
        refusals.add(
          await far.send((stage) =>
            new StagedArchive({
              ...{ root, listing: source, stage, present, ...what },
              onBytes: (bytes) => gauge.addBytes(bytes),
              onFile: () => gauge.addFile(),
            })
          ),
        );
      };
      const batches = batchesOf(open(small), source);
      for (const batch of batches.slice(0, -1)) await send({ files: batch, links: [], folders: [] });
      const refusedBefore = refusals.all.length;
      await send({ files: batches.at(-1) ?? [], links: open(links), folders: open(folders) });
      // Folders are set where all else got into place: a name that did not keeps them from it.
      const areFoldersLeft = refusals.all.slice(refusedBefore).some(({ path }) => path !== undefined);
      if (to !== undefined) {
        await each(long, 2, (path) =>
          refusals.attempt(path, async () => {
            await copyFile({
              ...{ world, from: localFiles, to, isResuming: true, signal },
              source: `${root}/${path}`,
              destination: join(folder, path),
              onBytes: (bytes) => gauge.addBytes(bytes),
              onResumed: (bytes) => gauge.skipBytes(bytes),
            });
            gauge.addFile();
          }));
      }
      // The folders of long files have another time now.
      const longFolders = new Set(to === undefined ? [] : long.map(folderOf));
      const touched = open(folders).filter((path) => areFoldersLeft || longFolders.has(path));
      if (touched.length > 0) await send({ files: [], links: [], folders: touched });
      return refusals.all;
    },
  };
}

/** So much is put in place at once, in bytes: what is replaced stays until then, and what is cut off is sent again. */
const batchBytes = 64 * 2 ** 20;
/** What a file takes besides its content. */
const entryBytes = 1024;

function batchesOf(files: readonly Bytes[], listing: Listing): Bytes[][] {
  const batches: Bytes[][] = [];
  let left = 0;
  for (const path of files) {
    const bytes = (listing.get(path)?.bytes ?? 0) + entryBytes;
    if (batches.length === 0 || bytes > left) {
      batches.push([]);
      left = batchBytes;
    }
    batches.at(-1)?.push(path);
    left -= bytes;
  }
  return batches;
}

/** One file after the other, many at once. */
export function pushThroughSftp(
  { world, root, folder, signal, far, files: to }: Pushing & { far: SftpFar; files: Files },
): Mover {
  const at = (path: Bytes) => join(folder === "" ? "." : folder, path);
  return {
    async apply({ difference: { files, links, folders, removed, removedFolders }, source: listing, gauge }) {
      await makeFolders(to, folder === "" ? "." : folder);
      const refusals = new Refusals(signal);
      refusals.add(await far.remove(removed, removedFolders));
      for (const path of folders) {
        await refusals.attempt(path, async () => {
          if ((await to.lstat(at(path)))?.kind !== "folder") await to.makeFolder(at(path));
        });
      }
      await each(files, 32, (path) =>
        refusals.attempt(path, async () => {
          await copyFile({
            ...{ world, from: localFiles, to, isResuming: true, signal },
            source: `${root}/${path}`,
            destination: at(path),
            onBytes: (bytes) => gauge.addBytes(bytes),
            onResumed: (bytes) => gauge.skipBytes(bytes),
          });
          gauge.addFile();
        }));
      for (const path of links) {
        await refusals.attempt(path, () => to.makeLink(listing.get(path)?.target ?? "", at(path)));
      }
      for (const path of folders.toReversed()) {
        const found = listing.get(path);
        if (found) await refusals.attempt(path, () => to.setFolder(at(path), found));
      }
      return refusals.all;
    },
  };
}

async function makeFolders(files: Files, path: Bytes): Promise<void> {
  if (await files.stat(path) !== undefined) return;
  const above = folderOf(path);
  if (above !== path && above !== ".") await makeFolders(files, above);
  await files.makeFolder(path, 0o777);
}
