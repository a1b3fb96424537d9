import type { Listing } from "./listing.ts";
import type { Bytes } from "./names.ts";
import type { Refused } from "./refused.ts";

/** What a sync needs of the tree on a machine. Paths are below its root. */
export interface Far {
  /** All that is in it; undefined where there is no such folder. */
  list(): Promise<FarListing | undefined>;
  /** The contents of a few small files; of what cannot be read, nothing. */
  readSmall(paths: readonly Bytes[]): Promise<Map<Bytes, Bytes>>;
  /** SHA-256 of files, in hexadecimal. What cannot be read is left out. */
  hashes(paths: readonly Bytes[]): Promise<Map<Bytes, string>>;
  /** Removes files and links, then folders, which are empty by then; the deepest come first. Returns what stays. */
  remove(files: readonly Bytes[], folders: readonly Bytes[]): Promise<readonly Refused[]>;
}

export interface FarListing {
  readonly listing: Listing;
  /** What could not be looked at, as the machine says it, in harmless characters. */
  readonly warnings: readonly string[];
  /** Names that are neither file, folder nor link. */
  readonly odd: readonly Bytes[];
}
