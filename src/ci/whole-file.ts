import { randomUUID } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A file that is being written, and that is there whole or not at all. */
export interface WholeFile {
  readonly file: FileHandle;
  /** All of it is written: it takes its place. */
  keep(): Promise<void>;
  /** It will never be whole: nothing of it stays. May be called after a `keep` that failed. */
  drop(): Promise<void>;
}

/** Begins a file of its owner alone. A device or a pipe is written into as it is: `/dev/null` is not to be replaced. */
export async function openWhole(path: string): Promise<WholeFile> {
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined && !there.isFile() && !there.isDirectory()) {
    const file = await open(path, "w");
    const close = () => file.close();
    return { file, keep: close, drop: () => close().catch(() => {}) };
  }
  // A link stays one: what it leads to is what was meant, above all where it is `/dev/stdout`.
  const target = there?.isFile() ? await realpath(path) : path;
  // Hidden, so what a killed process leaves of an archive in a project is not packed the next time.
  const draft = join(dirname(target), `.${randomUUID()}.new`);
  const file = await open(draft, "wx", 0o600);
  return {
    file,
    async keep() {
      await file.close();
      await rename(draft, target);
    },
    async drop() {
      await file.close().catch(() => {});
      await rm(draft, { force: true });
    },
  };
}
