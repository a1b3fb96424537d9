import type { SyncResult } from "../transfer/synced.ts";

/** What the first pass did; while it watches, the folder is kept in step until its scope or the run ends. */
export interface SyncHandle extends AsyncDisposable {
  /** Files that were sent. */
  readonly files: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Files that were deleted at the other end. */
  readonly deleted: number;
  /** Files that were the same there already. */
  readonly same: number;
  /** Ends the watching; what is under way is done first. */
  close(): Promise<void>;
}

/** Waits for the first pass, and leaves the others to themselves. */
export async function syncHandle(passes: AsyncIterable<SyncResult>, isWatching: boolean): Promise<SyncHandle> {
  const iterator = passes[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) throw new Error("a sync without a pass");
  const following = isWatching ? follow(iterator) : iterator.next();
  following.catch(() => {});
  if (!isWatching) await following;
  const close = async () => {
    await iterator.return?.();
  };
  const { files, bytes, deleted, same } = first.value;
  return { files, bytes, deleted, same, close, [Symbol.asyncDispose]: close };
}

async function follow(iterator: AsyncIterator<SyncResult>): Promise<void> {
  while (!(await iterator.next()).done);
}
