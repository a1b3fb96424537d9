import { Buffer } from "node:buffer";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { GpuError, messageOf, systemCode } from "../errors.ts";
import type { World } from "../world.ts";
import { SshError } from "./failure.ts";
import type { Sftp } from "./sftp/client.ts";
import { pump, type Sink, type Source } from "./sftp/pump.ts";

export interface TransferOptions {
  readonly signal?: AbortSignal;
  /** Called as bytes arrive, with how many have so far. */
  readonly onProgress?: (bytes: number) => void;
}

interface Transfer extends TransferOptions {
  readonly localPath: string;
  readonly remotePath: string;
  readonly world: Pick<World, "random">;
  sftp(): Promise<Sftp>;
}

/** Copies a file to the remote, with its permissions; what is at `remotePath` is replaced when all of it is there. */
export async function upload(transfer: Transfer): Promise<void> {
  const { localPath, remotePath, world } = transfer;
  await using local = await openLocal(localPath, "r");
  const { mode, size } = await local.stat();
  const path = Buffer.from(remotePath);
  const partial = Buffer.from(`${remotePath}${partialEnd(world)}`);
  await withSftp(transfer, async (sftp) => {
    const handle = await sftp.open(partial, { for: "new", mode: 0o600 });
    try {
      const sink: Sink = { write: (position, data) => sftp.write(handle, position, data) };
      await pump({ ...counted(transfer), source: fileSource(local), sink, to: size || undefined, ...sftp });
      await sftp.setStatOpen(handle, { mode: mode & 0o777 });
      await sftp.close(handle);
      await sftp.rename(partial, path);
    } catch (error) {
      await sftp.remove(partial).catch(() => {});
      throw error;
    }
  }, `writing \`${remotePath}\` on the remote`);
}

/** Copies a file from the remote, with its permissions; what is at `localPath` is replaced when all of it is here. */
export async function download(transfer: Transfer): Promise<void> {
  const { localPath, remotePath, world } = transfer;
  const partial = `${localPath}${partialEnd(world)}`;
  try {
    await withSftp(transfer, async (sftp) => {
      const handle = await sftp.open(Buffer.from(remotePath), { for: "read" });
      const { mode = 0o600, size } = await sftp.statOpen(handle);
      await using local = await openLocal(partial, "wx");
      const source: Source = { read: (position, length) => sftp.read(handle, position, length) };
      await pump({ ...counted(transfer), source, sink: fileSink(local), to: size || undefined, ...sftp });
      await local.chmod(mode & 0o777);
      await sftp.close(handle);
    }, `reading \`${remotePath}\` on the remote`);
    await rename(partial, localPath);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** An open file of this computer, read wherever one likes. */
export function fileSource(file: FileHandle): Source {
  return {
    async read(position, length) {
      const data = Buffer.allocUnsafe(length);
      const { bytesRead } = await file.read(data, 0, length, position);
      return bytesRead === 0 ? undefined : data.subarray(0, bytesRead);
    },
  };
}

/** An open file of this computer, written wherever one likes. */
export function fileSink(file: FileHandle): Sink {
  return {
    async write(position, data) {
      for (let done = 0; done < data.length;) {
        done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
      }
    },
  };
}

function partialEnd({ random }: Pick<World, "random">): string {
  return `.part-${Buffer.from(random(4)).toString("hex")}`;
}

function counted({ signal, onProgress }: TransferOptions) {
  let bytes = 0;
  return { signal, onBytes: (count: number) => onProgress?.(bytes += count) };
}

async function withSftp(transfer: Transfer, work: (sftp: Sftp) => Promise<void>, doing: string): Promise<void> {
  const { signal } = transfer;
  signal?.throwIfAborted();
  await using sftp = await transfer.sftp();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const onAbort = () => aborted.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work(sftp), aborted.promise]);
  } catch (error) {
    if (error instanceof SshError || signal?.aborted || systemCode(error)) throw error;
    throw new GpuError(`${doing}: ${messageOf(error)}`, { cause: error });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

async function openLocal(path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags, 0o600);
  } catch (error) {
    throw new GpuError(`\`${path}\` cannot be opened: ${messageOf(error)}`, { cause: error });
  }
}
