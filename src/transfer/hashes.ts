import { createHash } from "node:crypto";
import type { Far } from "./far.ts";
import type { Listing } from "./listing.ts";
import { localFiles } from "./local-files.ts";
import type { Bytes } from "./names.ts";

interface Comparing {
  /** Absolute. */
  readonly root: Bytes;
  readonly far: Far;
  readonly source: Listing;
  readonly there: Listing;
  readonly signal: AbortSignal;
}

/** Compares the contents of files that have one size on both sides. */
export async function sameHashes(
  { root, far, source, there, signal }: Comparing,
): Promise<(path: Bytes) => boolean | undefined> {
  const paths = [...source].filter(([path, { kind, bytes }]) => {
    const found = there.get(path);
    return kind === "file" && found?.kind === "file" && found.bytes === bytes;
  }).map(([path]) => path);
  const theirs = far.hashes(paths);
  theirs.catch(() => {});
  const same = new Map<Bytes, boolean>();
  const ours = new Map<Bytes, string>();
  for (const path of paths) ours.set(path, await hashOf(`${root}/${path}`, signal));
  const hashes = await theirs;
  for (const path of paths) if (hashes.has(path)) same.set(path, ours.get(path) === hashes.get(path));
  return (path) => same.get(path);
}

async function hashOf(path: Bytes, signal: AbortSignal): Promise<string> {
  await using file = await localFiles.openForReading(path);
  const hash = createHash("sha256");
  for (let position = 0;;) {
    signal.throwIfAborted();
    const part = await file.read(position, 2 ** 20);
    if (part === undefined) return hash.digest("hex");
    hash.update(part);
    position += part.length;
  }
}
