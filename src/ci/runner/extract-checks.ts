import { foldedName, nameProblem, toBytes } from "../../transfer/names.ts";
import { type DirectoryEntry, localHeaderBytes } from "./zip-directory.ts";
import { ArchiveError } from "./zip-file.ts";

/** What an archive may cost before it is taken for an attack. */
export interface ExtractLimits {
  readonly entries: number;
  readonly bytes: number;
}

export const defaultLimits: ExtractLimits = { entries: 200_000, bytes: 64 * 2 ** 30 };

/** What unpacks to so many times its size, and to so much, is a bomb: source text shrinks to a fifth. */
const bomb = { times: 200, bytes: 2 ** 30 } as const;

/** As PATH_MAX of Linux; its many folders would be looked at one by one. */
const maxNameBytes = 4096;

/** What an entry announces is a claim; `writeEntry` counts what comes out of it and allows no more. */
export function refuseTooMuch(entries: readonly DirectoryEntry[], limits: ExtractLimits, archiveBytes: number): void {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (bytes > limits.bytes) throw new ArchiveError(`it holds more than ${Math.round(limits.bytes / 2 ** 20)} MiB`);
  if (bytes > bomb.bytes && bytes > archiveBytes * bomb.times) {
    throw new ArchiveError(`it would unpack to ${Math.round(bytes / archiveBytes)} times its size`);
  }
}

/** Entries that share their packed bytes make much out of little. They come in the order in which they lie there. */
export function refuseOverlaps(entries: readonly DirectoryEntry[]): void {
  for (const [index, entry] of entries.entries()) {
    const next = entries[index + 1];
    if (next && entry.offset + localHeaderBytes + entry.packedBytes > next.offset) {
      throw new ArchiveError(`${shownName(entry)} and ${shownName(next)} overlap`);
    }
  }
}

/** The parts of an entry's path below the folder that it is unpacked into; throws where it may not be written. */
export function safeParts(entry: DirectoryEntry, platform: NodeJS.Platform): string[] {
  const shown = shownName(entry);
  if (entry.isEncrypted) throw new ArchiveError(`${shown} is encrypted`);
  if (entry.kind === "link") throw new ArchiveError(`${shown} is a link`);
  if (entry.kind === "other") throw new ArchiveError(`${shown} is a device or a pipe`);
  if (entry.method !== 0 && entry.method !== 8) throw new ArchiveError(`${shown} is packed in a way that is not known`);
  if (Buffer.byteLength(entry.name) > maxNameBytes) throw new ArchiveError(`${shown} is longer than a path may be`);
  if (entry.name === "" || entry.name.includes("\0")) throw new ArchiveError(`${shown} is not a file name`);
  const isAbsolute = /^([/\\]|[A-Za-z]:[/\\])/.test(entry.name);
  // A backslash parts folders on Windows, where `..\x` would leave the folder.
  if (isAbsolute || entry.name.split(/[/\\]/).includes("..")) {
    throw new ArchiveError(`${shown} leads out of the project`);
  }
  const parts = entry.name.split("/").filter((part) => part !== "" && part !== ".");
  for (const part of parts) {
    const problem = nameProblem(toBytes(part), platform);
    if (problem !== undefined) throw new ArchiveError(`${shown} cannot be written: ${problem}`);
  }
  return parts;
}

/** How each name was spelled first, where the file system takes several spellings for one. */
export class Spellings {
  readonly #platform: NodeJS.Platform;
  /** By the number of the folder and the name in it: what an archive puts deep is not compared from the top each time. */
  readonly #first = new Map<string, { readonly number: number; readonly name: string }>();

  constructor(platform: NodeJS.Platform) {
    this.#platform = platform;
  }

  /** How many files and folders there are, also those that stand only in the paths of others. */
  get count(): number {
    return this.#first.size;
  }

  add(parts: readonly string[], entry: DirectoryEntry): void {
    let folder = 0;
    for (const [index, name] of parts.entries()) {
      const key = `${folder}/${foldedName(toBytes(name), this.#platform)}`;
      const first = this.#first.get(key) ?? { number: this.#first.size + 1, name };
      if (first.name !== name) {
        const path = [...parts.slice(0, index), first.name].join("/");
        throw new ArchiveError(
          `${shownName(entry)} and ${JSON.stringify(path.slice(0, 300))} are one name on this system`,
        );
      }
      this.#first.set(key, first);
      folder = first.number;
    }
  }
}

/** A name from an archive as it may be printed. */
export function shownName(entry: DirectoryEntry): string {
  return JSON.stringify(entry.name.slice(0, 300));
}
