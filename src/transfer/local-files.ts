import type { Stats } from "node:fs";
import * as fs from "node:fs/promises";
import { sep } from "node:path";
import { GpuError, systemCode } from "../errors.ts";
import { reasonOf } from "../files.ts";
import { fileSink, fileSource } from "../ssh/transfer.ts";
import { type Entry, type Files, type OpenFile, type Stat, statOf } from "./files.ts";
import { bufferOf, type Bytes, bytesFrom, join, shown } from "./names.ts";

/** The files of this computer. Paths are absolute, with `/` between their parts. */
export const localFiles: Files = {
  isLocal: true,
  prefix: "",
  blockBytes: 255 * 1024,
  stat: (path) => statHere(path, fs.stat),
  lstat: (path) => statHere(path, fs.lstat),
  async *list(path) {
    const names = await about("read the folder", path, fs.readdir(bufferOf(path), { encoding: "buffer" }));
    // Some at a time: a folder may hold a million.
    for (let at = 0; at < names.length; at += namesAtOnce) {
      const batch = await Promise.all(
        names.slice(at, at + namesAtOnce).map(async (raw): Promise<Entry | undefined> => {
          const name = bytesFrom(raw);
          const stat = await statHere(join(path, name), fs.lstat);
          return stat && { name, ...stat };
        }),
      );
      yield batch.filter((entry) => entry !== undefined);
    }
  },
  openForReading: (path) => openHere(path, "r"),
  create: (path, becomes) => openHere(path, "wx", becomes),
  openForChange: (path, becomes) => openHere(path, "r+", becomes),
  rename: (from, to) => about("write", to, fs.rename(bufferOf(from), bufferOf(to))),
  remove: (path) => about("remove", path, fs.unlink(bufferOf(path))),
  makeFolder: (path, mode = 0o700) => about("make the folder", path, fs.mkdir(bufferOf(path), { mode }).then(() => {})),
  removeFolder: (path) => about("remove the folder", path, fs.rmdir(bufferOf(path))),
  setFolder: (path, { mode, mtime }) =>
    about(
      "change the folder",
      path,
      fs.chmod(bufferOf(path), mode).then(() => fs.utimes(bufferOf(path), mtime, mtime)),
    ),
  async readLink(path) {
    return bytesFrom(await about("read the link", path, fs.readlink(bufferOf(path), { encoding: "buffer" })));
  },
  makeLink: (target, path) => about("write the link", path, fs.symlink(bufferOf(target), bufferOf(path))),
};

const namesAtOnce = 500;

/** An absolute path as it is kept here. */
export function localBytes(path: string): Bytes {
  return bytesFrom(Buffer.from(sep === "\\" ? path.replaceAll("\\", "/") : path));
}

async function statHere(path: Bytes, how: (path: Buffer) => Promise<Stats>): Promise<Stat | undefined> {
  try {
    const { mode, size, mtimeMs } = await how(bufferOf(path));
    return statOf(mode, size, mtimeMs / 1000);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw wrapped("look at", path, error);
  }
}

async function openHere(path: Bytes, flags: string, becomes = path): Promise<OpenFile> {
  const file = await about(flags === "r" ? "read" : "write", becomes, fs.open(bufferOf(path), flags, 0o600));
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await file.close();
  };
  const source = fileSource(file);
  const sink = fileSink(file);
  return {
    read: (position, length) => about("read", becomes, source.read(position, length)),
    write: (position, data) => about("write", becomes, sink.write(position, data)),
    async stat() {
      const { mode, size, mtimeMs } = await file.stat();
      return statOf(mode, size, mtimeMs / 1000);
    },
    async finish({ mode, mtime }) {
      await about("write", becomes, file.chmod(mode).then(() => file.utimes(mtime, mtime)));
      await close();
    },
    [Symbol.asyncDispose]: close,
  };
}

async function about<T>(doing: string, path: Bytes, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw wrapped(doing, path, error);
  }
}

function wrapped(doing: string, path: Bytes, error: unknown): GpuError {
  if (error instanceof GpuError) return error;
  return new GpuError(`cannot ${doing} \`${shown(path)}\`: ${reasonOf(error)}`, { cause: error });
}
