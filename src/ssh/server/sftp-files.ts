import * as fs from "node:fs/promises";
import { messageOf } from "../../errors.ts";
import { exists, openFlags, pathSetter, readAt, setAttributes, statusOf, writeAt } from "./sftp-io.ts";
import type { OpenFile } from "./sftp-io.ts";
import { absolutePath, attributesOf, canonicalPath, describe, listFolder } from "./sftp-paths.ts";
import { longestPacket, MalformedPacket, type Name, type PacketReader, requests } from "../sftp/wire.ts";
import * as reply from "./sftp-replies.ts";

/** Answers requests about files. Disposing of it closes what the client left open. */
export interface Answerer extends AsyncDisposable {
  answer(type: number, id: number, request: PacketReader): Promise<Buffer>;
}

interface AnswererOptions {
  readonly home: string;
  readonly isLinkFirst: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

type Handle =
  | OpenFile & { readonly kind: "file" }
  | { readonly kind: "folder"; readonly path: Buffer; readonly names: Buffer[] };

const maxHandles = 256;
const namesAtOnce = 100;
/** What fits into the longest packet beside its header. */
const longestData = longestPacket - 1024;

export function answerer({ home, isLinkFirst, now }: AnswererOptions): Answerer {
  const handles = new Map<number, Handle>();
  let lastHandle = 0;

  type Answer = (id: number, request: PacketReader) => Promise<Buffer>;
  const answers: Readonly<Record<number, Answer>> = {
    [requests.open]: async (id, request) => {
      const path = pathOf(request);
      const flags = openFlags(request.uint32());
      const { mode = 0o666 } = request.attributes();
      const file = await fs.open(path, flags, mode & 0o7777);
      return keep(id, { kind: "file", file, isRegular: (await file.stat()).isFile() });
    },
    [requests.close]: async (id, request) => {
      const key = keyOf(request);
      const handle = handles.get(key);
      handles.delete(key);
      if (handle?.kind === "file") await handle.file.close();
      return reply.statusReply(id, handle === undefined ? "failure" : "ok");
    },
    [requests.read]: async (id, request) => {
      const handle = fileOf(request);
      const position = request.uint64();
      const data = Buffer.allocUnsafe(Math.min(request.uint32(), longestData));
      const count = await readAt(handle, data, position);
      return count === 0 && data.length > 0
        ? reply.statusReply(id, "endOfFile")
        : reply.dataReply(id, data.subarray(0, count));
    },
    [requests.write]: async (id, request) => {
      const handle = fileOf(request);
      const position = request.uint64();
      await writeAt(handle, request.bytes(), position);
      return reply.statusReply(id, "ok");
    },
    [requests.lstat]: async (id, request) => reply.attributesReply(id, attributesOf(await fs.lstat(pathOf(request)))),
    [requests.stat]: async (id, request) => reply.attributesReply(id, attributesOf(await fs.stat(pathOf(request)))),
    [requests.fstat]: async (id, request) => reply.attributesReply(id, attributesOf(await fileOf(request).file.stat())),
    [requests.setstat]: async (id, request) => {
      const path = pathOf(request);
      await setAttributes(pathSetter(path), request.attributes());
      return reply.statusReply(id, "ok");
    },
    [requests.fsetstat]: async (id, request) => {
      const { file } = fileOf(request);
      await setAttributes(file, request.attributes());
      return reply.statusReply(id, "ok");
    },
    [requests.opendir]: async (id, request) => {
      const path = pathOf(request);
      return keep(id, { kind: "folder", path, names: await listFolder(path) });
    },
    [requests.readdir]: async (id, request) => {
      const handle = handles.get(keyOf(request));
      if (handle?.kind !== "folder") return reply.statusReply(id, "failure");
      const found: Name[] = [];
      while (found.length === 0 && handle.names.length > 0) {
        const batch = handle.names.splice(0, namesAtOnce);
        const described = await Promise.all(batch.map((name) => describe({ folder: handle.path, name, now: now() })));
        found.push(...described.filter((name) => name !== undefined));
      }
      return found.length === 0 ? reply.statusReply(id, "endOfFile") : reply.nameReply(id, found);
    },
    [requests.remove]: async (id, request) => {
      await fs.unlink(pathOf(request));
      return reply.statusReply(id, "ok");
    },
    [requests.mkdir]: async (id, request) => {
      const path = pathOf(request);
      const { mode = 0o777 } = request.attributes();
      await fs.mkdir(path, { mode: mode & 0o7777 });
      return reply.statusReply(id, "ok");
    },
    [requests.rmdir]: async (id, request) => {
      await fs.rmdir(pathOf(request));
      return reply.statusReply(id, "ok");
    },
    [requests.realpath]: async (id, request) => {
      const name = await canonicalPath(pathOf(request));
      return reply.nameReply(id, [{ name, longName: name.toString("utf8"), attributes: {} }]);
    },
    [requests.rename]: async (id, request) => {
      const [from, to] = [pathOf(request), pathOf(request)];
      // Version 3 never replaces; who wants that asks for posix-rename.
      if (await exists(to)) return reply.statusReply(id, "failure", "the new name exists");
      await fs.rename(from, to);
      return reply.statusReply(id, "ok");
    },
    [requests.readlink]: async (id, request) => {
      const name = await fs.readlink(pathOf(request), { encoding: "buffer" });
      return reply.nameReply(id, [{ name, longName: name.toString("utf8"), attributes: {} }]);
    },
    [requests.symlink]: async (id, request) => {
      const [first, second] = [request.bytes(), request.bytes()];
      const [target, link] = isLinkFirst ? [second, first] : [first, second];
      // The target is text, not a path of ours: it stays relative to the link.
      await fs.symlink(target, absolutePath(home, link));
      return reply.statusReply(id, "ok");
    },
    [requests.extended]: async (id, request) => {
      const extension = extensions[request.text()];
      return extension === undefined ? reply.statusReply(id, "unsupported") : await extension(id, request);
    },
  };

  const extensions: Readonly<Record<string, Answer>> = {
    "posix-rename@openssh.com": async (id, request) => {
      const [from, to] = [pathOf(request), pathOf(request)];
      await fs.rename(from, to);
      return reply.statusReply(id, "ok");
    },
    "hardlink@openssh.com": async (id, request) => {
      const [from, to] = [pathOf(request), pathOf(request)];
      await fs.link(from, to);
      return reply.statusReply(id, "ok");
    },
    "fsync@openssh.com": async (id, request) => {
      await fileOf(request).file.sync();
      return reply.statusReply(id, "ok");
    },
    "lsetstat@openssh.com": async (id, request) => {
      const path = pathOf(request);
      const { owner, times } = request.attributes();
      if (times) await fs.lutimes(path, times.atime, times.mtime);
      if (owner) await fs.lchown(path, owner.uid, owner.gid);
      return reply.statusReply(id, "ok");
    },
    "limits@openssh.com": async (id) =>
      reply.limitsReply(id, { packet: longestPacket, read: longestData, write: longestData }),
  };

  return {
    async answer(type, id, request) {
      const answer = answers[type];
      if (answer === undefined) return reply.statusReply(id, "unsupported");
      try {
        return await answer(id, request);
      } catch (error) {
        if (error instanceof MalformedPacket) throw error;
        return reply.statusReply(id, statusOf(error), messageOf(error));
      }
    },
    async [Symbol.asyncDispose]() {
      const open = [...handles.values()];
      handles.clear();
      for (const handle of open) if (handle.kind === "file") await handle.file.close().catch(() => {});
    },
  };

  function pathOf(request: PacketReader): Buffer {
    return absolutePath(home, request.bytes());
  }

  function keep(id: number, handle: Handle): Buffer {
    if (handles.size >= maxHandles) {
      if (handle.kind === "file") void handle.file.close();
      return reply.statusReply(id, "failure", "too many open files");
    }
    handles.set(++lastHandle, handle);
    const name = Buffer.alloc(4);
    name.writeUInt32BE(lastHandle);
    return reply.handleReply(id, name);
  }

  function keyOf(request: PacketReader): number {
    const name = request.bytes();
    return name.length === 4 ? name.readUInt32BE() : -1;
  }

  function fileOf(request: PacketReader): Extract<Handle, { kind: "file" }> {
    const handle = handles.get(keyOf(request));
    if (handle?.kind !== "file") throw new Error("no such open file");
    return handle;
  }
}
