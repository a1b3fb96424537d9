import * as fs from "node:fs";
import { GpuError, systemCode } from "../errors.ts";
import { reasonOf } from "../files.ts";
import type { World } from "../world.ts";
import { localFiles } from "./local-files.ts";
import type { Found, Listing } from "./listing.ts";
import { bufferOf, type Bytes, shown } from "./names.ts";
import type { Refused } from "./refused.ts";
import type { TarEntry } from "./tar-read.ts";

interface Unpacking {
  readonly world: Pick<World, "random">;
  /** Absolute. */
  readonly root: Bytes;
  /** What was asked for: nothing else is written. */
  readonly wanted: ReadonlySet<Bytes>;
  readonly listing: Listing;
  onBytes(bytes: number): void;
  onFile(): void;
}

/**
 * Writes the files of an archive below a folder of this computer, each under another name until it is whole. Only names
 * that were asked for are written, and all folders they are in were seen to be folders. Returns what did not come, and
 * what could not get its name.
 */
export async function unpack(entries: AsyncIterable<TarEntry>, unpacking: Unpacking): Promise<Refused[]> {
  const { root, wanted, listing, onBytes, onFile } = unpacking;
  const left = new Set(wanted);
  const refused: Refused[] = [];
  const part = bufferOf(`${root}/.gpu-part-${"0".repeat(12)}-${"0".repeat(12)}-${hex(unpacking.world.random(4))}`);
  try {
    const umask = umaskAt(part);
    for await (const entry of entries) {
      const { path, type } = entry;
      const found = listing.get(path);
      if (!left.has(path) || found === undefined) continue;
      const place = bufferOf(`${root}/${path}`);
      let isPlaced = true;
      const refuse = (why: string) => {
        refused.push({ path, message: `cannot write \`${shown(`${root}/${path}`)}\`: ${why}` });
        isPlaced = false;
      };
      const putInPlace = () => {
        try {
          fs.renameSync(part, place);
        } catch (error) {
          fs.unlinkSync(part);
          refuse(reasonOf(error));
        }
      };
      if (type === "file") {
        const writing = write({ part, umask, putInPlace }, { entry, found, onBytes });
        if (writing !== undefined) await writing;
      } else if (type === "hard-link" && wanted.has(entry.target) && !left.has(entry.target)) {
        if (refused.some(({ path }) => path === entry.target)) refuse(`it is \`${shown(entry.target)}\` too`);
        else {
          fs.copyFileSync(bufferOf(`${root}/${entry.target}`), part);
          fs.chmodSync(part, found.mode);
          fs.utimesSync(part, found.mtime, found.mtime);
          putInPlace();
          onBytes(found.bytes);
        }
      } else continue;
      left.delete(path);
      if (isPlaced) onFile();
    }
  } catch (error) {
    // What the machine or the connection did is no system error.
    if (error instanceof GpuError || systemCode(error) === undefined) throw error;
    throw new GpuError(`cannot write below \`${shown(root)}\`: ${reasonOf(error)}`, { cause: error });
  } finally {
    await localFiles.remove(part.toString("latin1")).catch(() => {});
  }
  return [...refused, ...[...left].map((path) => ({ path, message: `cannot read \`${shown(path)}\` there` }))];
}

interface Written {
  readonly entry: TarEntry;
  readonly found: Found;
  onBytes(bytes: number): void;
}

interface Placing {
  /** Its name until it is whole. */
  readonly part: Buffer;
  /** What the system takes away from the permissions of a new file. */
  readonly umask: number;
  putInPlace(): void;
}

/**
 * Nothing has its name before all of it is here: whoever kills this process leaves no file that is cut short. Undefined:
 * it is done already.
 */
function write({ part, umask, putInPlace }: Placing, { entry, found, onBytes }: Written): Promise<void> | undefined {
  const descriptor = fs.openSync(part, "wx", found.mode);
  const finish = () => {
    if ((found.mode & umask) !== 0) fs.fchmodSync(descriptor, found.mode);
    fs.futimesSync(descriptor, found.mtime, found.mtime);
    fs.closeSync(descriptor);
    putInPlace();
  };
  const giveUp = (error: unknown) => {
    fs.closeSync(descriptor);
    fs.unlinkSync(part);
    throw error;
  };
  if (entry.whole === undefined) return writeParts(descriptor, entry, onBytes).then(finish, giveUp);
  try {
    writeAll(descriptor, entry.whole);
    onBytes(entry.whole.length);
  } catch (error) {
    giveUp(error);
  }
  finish();
  return undefined;
}

async function writeParts(descriptor: number, { content }: TarEntry, onBytes: (bytes: number) => void): Promise<void> {
  for await (const chunk of content()) {
    writeAll(descriptor, chunk);
    onBytes(chunk.length);
  }
}

function writeAll(descriptor: number, chunk: Buffer): void {
  for (let done = 0; done < chunk.length;) done += fs.writeSync(descriptor, chunk, done);
}

/** Tried with a file that is not used for anything else. */
function umaskAt(part: Buffer): number {
  const descriptor = fs.openSync(part, "wx", 0o777);
  const { mode } = fs.fstatSync(descriptor);
  fs.closeSync(descriptor);
  fs.unlinkSync(part);
  return 0o777 & ~mode;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
