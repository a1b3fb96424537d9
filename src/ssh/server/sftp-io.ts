import { constants, readSync, writeSync } from "node:fs";
import * as fs from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { systemCode } from "../../errors.ts";
import type { Attributes, Status } from "../sftp/wire.ts";

/** A file that a client has open. */
export interface OpenFile {
  readonly file: FileHandle;
  readonly isRegular: boolean;
}

const clientFlags = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const;

/** The system's flags for the client's, by hand: ssh2's `flagsToString` knows only some of the combinations. */
export function openFlags(flags: number): number {
  const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;
  const isWritten = (flags & clientFlags.write) !== 0;
  const isRead = (flags & clientFlags.read) !== 0;
  return (isWritten ? (isRead ? O_RDWR : O_WRONLY) : O_RDONLY) |
    (flags & clientFlags.append ? O_APPEND : 0) |
    (flags & clientFlags.create ? O_CREAT : 0) |
    (flags & clientFlags.truncate ? O_TRUNC : 0) |
    (flags & clientFlags.exclusive ? O_EXCL : 0);
}

/** Fills as much of `data` as the file has there; 0 at its end. */
export async function readAt({ file, isRegular }: OpenFile, data: Buffer, position: number): Promise<number> {
  // A regular file is read at once: a turn of the thread pool for each packet halves the speed.
  if (isRegular) return readSync(file.fd, data, 0, data.length, position);
  return (await file.read(data, 0, data.length, null)).bytesRead;
}

/** Writes all of `data`. */
export async function writeAt({ file, isRegular }: OpenFile, data: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < data.length) {
    const rest = data.length - done;
    done += isRegular
      ? writeSync(file.fd, data, done, rest, position + done)
      : (await file.write(data, done, rest, null)).bytesWritten;
  }
}

/** What a path and an open file have in common. */
export interface AttributeSetter {
  truncate(size: number): Promise<void>;
  chmod(mode: number): Promise<void>;
  utimes(atime: number, mtime: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
}

export function pathSetter(path: Buffer): AttributeSetter {
  return {
    truncate: (size) => fs.truncate(path, size),
    chmod: (mode) => fs.chmod(path, mode),
    utimes: (atime, mtime) => fs.utimes(path, atime, mtime),
    chown: (uid, gid) => fs.chown(path, uid, gid),
  };
}

/** Sets what is given. The size is not a formality: scp relies on it to cut a longer file it has overwritten. */
export async function setAttributes(to: AttributeSetter, { size, mode, times, owner }: Attributes): Promise<void> {
  if (size !== undefined) await to.truncate(size);
  if (mode !== undefined) await to.chmod(mode & 0o7777);
  if (times !== undefined) await to.utimes(times.atime, times.mtime);
  if (owner !== undefined) await to.chown(owner.uid, owner.gid);
}

export async function exists(path: Buffer): Promise<boolean> {
  return await fs.lstat(path).then(() => true, () => false);
}

const statusByCode: Readonly<Record<string, Status>> = {
  ENOENT: "noSuchFile",
  ENOTDIR: "noSuchFile",
  ELOOP: "noSuchFile",
  EACCES: "permissionDenied",
  EPERM: "permissionDenied",
  EROFS: "permissionDenied",
};

export function statusOf(error: unknown): Status {
  return statusByCode[systemCode(error) ?? ""] ?? "failure";
}
