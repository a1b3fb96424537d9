import { type FileHandle, open, rename, rm } from "node:fs/promises";
import type { SFTPWrapper } from "ssh2";
import { GpuError, messageOf, systemCode } from "../errors.ts";
import { oneLine } from "../safe-text.ts";
import type { World } from "../world.ts";
import { SshError } from "./failure.ts";

export interface TransferOptions {
  readonly signal?: AbortSignal;
  /** Called as bytes arrive, with how many have so far. */
  readonly onProgress?: (bytes: number) => void;
}

interface Transfer extends TransferOptions {
  readonly localPath: string;
  readonly remotePath: string;
  readonly world: Pick<World, "random">;
  openSftp(): Promise<SFTPWrapper>;
  /** Resolves when the session is over. */
  readonly closed: Promise<Error | undefined>;
}

// What sftp-server takes in one request everywhere, and as many in flight as fill a connection of 100 ms at 20 MB/s.
const chunkBytes = 32 * 1024;
const inFlight = 64;

/** Copies a file to the remote, with its permissions. */
export async function upload(transfer: Transfer): Promise<void> {
  const { localPath, remotePath } = transfer;
  await using local = await openLocal(localPath, "r");
  const { mode } = await local.stat();
  await withSftp(transfer, async (sftp) => {
    const handle = await call<Buffer>((done) => sftp.open(remotePath, "w", { mode: mode & 0o777 }, done));
    await copy(transfer, async (position) => {
      const chunk = await readLocal(local, position);
      if (chunk.length > 0) await callForNothing((done) => sftp.write(handle, chunk, 0, chunk.length, position, done));
      return chunk.length;
    });
    await callForNothing((done) => sftp.fchmod(handle, mode & 0o777, done));
    await callForNothing((done) => sftp.close(handle, done));
  }, `writing \`${remotePath}\` on the remote`);
}

/** Copies a file from the remote, with its permissions; what is at `localPath` is replaced when all of it is here. */
export async function download(transfer: Transfer): Promise<void> {
  const { localPath, remotePath, world } = transfer;
  const partial = `${localPath}.part-${Buffer.from(world.random(4)).toString("hex")}`;
  try {
    await withSftp(transfer, async (sftp) => {
      const handle = await call<Buffer>((done) => sftp.open(remotePath, "r", done));
      const { mode } = await call<{ mode: number }>((done) => sftp.fstat(handle, done));
      await using local = await openLocal(partial, "wx");
      await copy(transfer, async (position) => {
        const chunk = await readRemote(sftp, handle, position);
        if (chunk.length > 0) await local.write(chunk, 0, chunk.length, position);
        return chunk.length;
      });
      await local.chmod(mode & 0o777);
      await callForNothing((done) => sftp.close(handle, done));
    }, `reading \`${remotePath}\` on the remote`);
    await rename(partial, localPath);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Copies chunk after chunk, many at once, until one of them is empty. */
async function copy(transfer: Transfer, copyAt: (position: number) => Promise<number>): Promise<void> {
  let next = 0;
  let bytes = 0;
  let isDone = false;
  const work = async () => {
    while (!isDone) {
      transfer.signal?.throwIfAborted();
      const position = next;
      next += chunkBytes;
      const count = await copyAt(position);
      bytes += count;
      if (count < chunkBytes) isDone = true;
      if (count > 0) transfer.onProgress?.(bytes);
    }
  };
  const stopAll = (error: unknown) => {
    isDone = true;
    throw error;
  };
  await Promise.all(Array.from({ length: inFlight }, () => work().catch(stopAll)));
}

async function readLocal(file: FileHandle, position: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  let length = 0;
  while (length < chunkBytes) {
    const { bytesRead } = await file.read(chunk, length, chunkBytes - length, position + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return chunk.subarray(0, length);
}

async function readRemote(sftp: SFTPWrapper, handle: Buffer, position: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  let length = 0;
  while (length < chunkBytes) {
    const from = length;
    const count = await call<number>((done) =>
      sftp.read(handle, chunk, from, chunkBytes - from, position + from, (error, bytesRead) => {
        // 1 is SSH_FX_EOF.
        if (error && "code" in error && error.code === 1) done(undefined, 0);
        else done(error, bytesRead);
      })
    );
    if (count === 0) break;
    length += count;
  }
  return chunk.subarray(0, length);
}

async function withSftp(transfer: Transfer, work: (sftp: SFTPWrapper) => Promise<void>, doing: string): Promise<void> {
  const { signal, closed } = transfer;
  signal?.throwIfAborted();
  const sftp = await transfer.openSftp().catch((error: unknown) => {
    if (error instanceof SshError) throw error;
    throw new SshError(`the SSH server offers no file transfer`, { reason: "channel", cause: error });
  });
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {});
  const onAbort = () => ended.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  closed.then((error) => ended.reject(error ?? new SshError("the SSH session was closed", { reason: "lost" })));
  sftp.once(
    "close",
    () => ended.reject(new SshError("the file transfer was ended by the remote", { reason: "channel" })),
  );
  sftp.once("error", (error: unknown) => ended.reject(error));
  try {
    await Promise.race([work(sftp), ended.promise]);
  } catch (error) {
    if (error instanceof GpuError || signal?.aborted || systemCode(error)) throw error;
    throw new GpuError(`${doing}: ${oneLine(messageOf(error), 300)}`, { cause: error });
  } finally {
    signal?.removeEventListener("abort", onAbort);
    sftp.end();
  }
}

async function openLocal(path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags, 0o600);
  } catch (error) {
    throw new GpuError(`\`${path}\` cannot be opened: ${messageOf(error)}`, { cause: error });
  }
}

/** What a callback of ssh2 says, as a promise. */
function call<T>(start: (done: (error: Error | null | undefined, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => error ? reject(error) : resolve(value)));
}

function callForNothing(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => error ? reject(error) : resolve()));
}
