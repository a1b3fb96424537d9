import { GpuError } from "../errors.ts";
import { type Sftp, SftpError } from "../ssh/sftp/client.ts";
import { type Attributes, statusCodes } from "../ssh/sftp/wire.ts";
import { type Entry, type Files, type OpenFile, type Stat, statOf } from "./files.ts";
import { bufferOf, type Bytes, bytesFrom, shown } from "./names.ts";

/** The files of a machine, over SFTP. `name` is how people call the machine. */
export function remoteFiles(sftp: Sftp, name: string): Files {
  const prefix = `${name}:`;
  const at = (path: Bytes) => bufferOf(path === "" ? "." : path);

  async function about<T>(doing: string, path: Bytes, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof SftpError)) throw error;
      throw new GpuError(`cannot ${doing} \`${prefix}${shown(path)}\`: ${error.message}`, { cause: error });
    }
  }

  async function statThere(path: Bytes, how: (path: Buffer) => Promise<Attributes>): Promise<Stat | undefined> {
    try {
      return statFrom(await how(at(path)));
    } catch (error) {
      if (error instanceof SftpError && error.code === statusCodes.noSuchFile) return undefined;
      return await about("look at", path, Promise.reject(error));
    }
  }

  async function openThere(path: Bytes, purpose: "read" | "new" | "change", becomes = path): Promise<OpenFile> {
    const doing = purpose === "read" ? "read" : "write";
    const mode = purpose === "new" ? 0o600 : undefined;
    const handle = await about(doing, becomes, sftp.open(at(path), { for: purpose, mode }));
    let isOpen = true;
    const close = async () => {
      if (!isOpen) return;
      isOpen = false;
      // A disk that is full may say so only now.
      await about(doing, becomes, sftp.close(handle));
    };
    return {
      read: (position, length) => about("read", becomes, sftp.read(handle, position, length)),
      write: (position, data) => about("write", becomes, sftp.write(handle, position, data)),
      stat: async () => statFrom(await about("look at", becomes, sftp.statOpen(handle))),
      async finish({ mode, mtime }) {
        const [set] = await Promise.all([
          about("write", becomes, sftp.setStatOpen(handle, { mode, times: { atime: mtime, mtime } })),
          close(),
        ]);
        return set;
      },
      [Symbol.asyncDispose]: () => close().catch(() => {}),
    };
  }

  return {
    isLocal: false,
    prefix,
    blockBytes: sftp.blockBytes,
    stat: (path) => statThere(path, (bytes) => sftp.stat(bytes)),
    lstat: (path) => statThere(path, (bytes) => sftp.lstat(bytes)),
    async *list(path) {
      const batches = sftp.list(at(path));
      for (;;) {
        const { done, value } = await about("read the folder", path, batches.next());
        if (done) return;
        const found = value.map(({ name, attributes }): Entry => ({ name: bytesFrom(name), ...statFrom(attributes) }));
        yield found.filter(({ name }) => name !== "." && name !== "..");
      }
    },
    openForReading: (path) => openThere(path, "read"),
    create: (path, becomes) => openThere(path, "new", becomes),
    openForChange: (path, becomes) => openThere(path, "change", becomes),
    rename: (from, to) => about("write", to, sftp.rename(at(from), at(to))),
    remove: (path) => about("remove", path, sftp.remove(at(path))),
    makeFolder: (path, mode = 0o700) => about("make the folder", path, sftp.makeFolder(at(path), mode)),
    removeFolder: (path) => about("remove the folder", path, sftp.removeFolder(at(path))),
    setFolder: (path, { mode, mtime }) =>
      about("change the folder", path, sftp.setStat(at(path), { mode, times: { atime: mtime, mtime } })),
    async readLink(path) {
      return bytesFrom(await about("read the link", path, sftp.readLink(at(path))));
    },
    makeLink: (target, path) => about("write the link", path, sftp.makeLink(at(target), at(path))),
  };
}

/** A server that leaves the mode out calls everything a file. */
function statFrom({ mode = 0o100600, size = 0, times }: Attributes): Stat {
  return statOf(mode, size, times?.mtime ?? 0);
}
