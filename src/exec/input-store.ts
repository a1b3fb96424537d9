import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { makePrivateFolder } from "../files.ts";

/** Bytes by their place, of a source that is read once. */
export interface Store {
  append(bytes: Uint8Array): Promise<void>;
  /** What is there from this place on, some of it. */
  read(at: number): Promise<Uint8Array>;
  /** Nobody wants what is before this place any more. */
  forget(before: number): void;
}

/** In memory: for readers that all began at the start, so that what all of them have read can go. */
export function memoryStore(): Store {
  let chunks: Uint8Array[] = [];
  let start = 0;
  let end = 0;
  return {
    append(bytes) {
      chunks.push(bytes);
      end += bytes.length;
      return Promise.resolve();
    },
    read(at) {
      let place = start;
      for (const chunk of chunks) {
        if (at < place + chunk.length) return Promise.resolve(chunk.subarray(at - place));
        place += chunk.length;
      }
      return Promise.reject(new RangeError(`${at} is not in ${start}-${end}`));
    },
    forget(before) {
      let count = 0;
      for (const { length } of chunks) {
        if (start + length > before) break;
        start += length;
        count++;
      }
      if (count > 0) chunks = chunks.slice(count);
    },
  };
}

const pieceBytes = 64 * 1024;

/** On the disk: for readers of which some begin when others have ended. The file has no name, so it ends with us. */
export async function diskStore(cache: string): Promise<Store & AsyncDisposable> {
  await makePrivateFolder(cache);
  const folder = await mkdtemp(join(cache, "stdin-"));
  let file: FileHandle;
  try {
    file = await open(join(folder, "stdin"), "wx+", 0o600);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  let end = 0;
  return {
    async append(bytes) {
      for (let written = 0; written < bytes.length;) {
        written += (await file.write(bytes, written, bytes.length - written, end + written)).bytesWritten;
      }
      end += bytes.length;
    },
    async read(at) {
      const bytes = new Uint8Array(Math.min(pieceBytes, end - at));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, at);
      return bytes.subarray(0, bytesRead);
    },
    forget() {},
    [Symbol.asyncDispose]: () => file.close(),
  };
}
