import type { Sink, Source } from "../ssh/sftp/pump.ts";
import type { Bytes } from "./names.ts";

export type Kind = "file" | "folder" | "link" | "other";

export interface Stat {
  readonly kind: Kind;
  readonly bytes: number;
  /** Permissions alone: nine bits. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

export interface Entry extends Stat {
  readonly name: Bytes;
}

/** An open file. Disposing of it closes it. */
export interface OpenFile extends AsyncDisposable, Source, Sink {
  stat(): Promise<Stat>;
  /** Sets permissions and time of change, and closes it. */
  finish(as: Pick<Stat, "mode" | "mtime">): Promise<void>;
}

/** The files of this computer, or of a machine: what copying needs of either. */
export interface Files {
  readonly isLocal: boolean;
  /** In front of a path, where people read it: `trainer:`, or nothing. */
  readonly prefix: string;
  /** The most that is read or written at once, in bytes. */
  readonly blockBytes: number;
  /** Of what a link leads to; undefined where there is nothing. */
  stat(path: Bytes): Promise<Stat | undefined>;
  lstat(path: Bytes): Promise<Stat | undefined>;
  /** Unsorted, unchecked, without `.` and `..`. */
  list(path: Bytes): AsyncIterable<Entry[]>;
  openForReading(path: Bytes): Promise<OpenFile>;
  /** A new file that only its owner may read; anything there is an error. Errors name the file that it becomes. */
  create(path: Bytes, becomes: Bytes): Promise<OpenFile>;
  /** A file that is there, to be read and written; errors name the file that it becomes. */
  openForChange(path: Bytes, becomes: Bytes): Promise<OpenFile>;
  /** Replaces what is there. */
  rename(from: Bytes, to: Bytes): Promise<void>;
  remove(path: Bytes): Promise<void>;
  /** Its owner's alone, unless `mode` says more; the system may take away from that. */
  makeFolder(path: Bytes, mode?: number): Promise<void>;
  /** An empty one. */
  removeFolder(path: Bytes): Promise<void>;
  /** Permissions and time of change of a folder. */
  setFolder(path: Bytes, as: Pick<Stat, "mode" | "mtime">): Promise<void>;
  readLink(path: Bytes): Promise<Bytes>;
  makeLink(target: Bytes, path: Bytes): Promise<void>;
}

const kindsByMode: Readonly<Record<number, Kind>> = { 0o10: "file", 0o4: "folder", 0o12: "link" };

/** What the system's mode says: the kind is in its upper bits. */
export function statOf(mode: number, bytes: number, mtime: number): Stat {
  return { kind: kindsByMode[(mode >> 12) & 0o17] ?? "other", bytes, mode: mode & 0o777, mtime: Math.floor(mtime) };
}
