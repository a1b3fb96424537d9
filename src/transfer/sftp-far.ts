import { createHash } from "node:crypto";
import { GpuError } from "../errors.ts";
import type { Far, FarListing } from "./far.ts";
import type { Files } from "./files.ts";
import type { Listing } from "./listing.ts";
import { type Bytes, bytesFrom, join, shown } from "./names.ts";
import { Refusals, type Refused } from "./refused.ts";
import { walk } from "./tree.ts";

/** The tree on a machine that has SFTP and no shell, or no tar. */
export class SftpFar implements Far {
  readonly #files: Files;
  readonly #folder: Bytes;
  readonly #signal: AbortSignal;

  constructor({ files, folder, signal }: { files: Files; folder: Bytes; signal: AbortSignal }) {
    this.#files = files;
    this.#folder = folder === "" ? "." : folder;
    this.#signal = signal;
  }

  async list(): Promise<FarListing | undefined> {
    const there = await this.#files.stat(this.#folder);
    if (there === undefined) return undefined;
    if (there.kind !== "folder") throw new GpuError(`\`${this.#files.prefix}${shown(this.#folder)}\` is not a folder`);
    const listing: Listing = new Map();
    const warnings: string[] = [];
    const items = walk({
      ...{ files: this.#files, root: this.#folder, platform: "linux", isWary: false, signal: this.#signal },
      skip: ({ name, why }) => warnings.push(`${name}: ${why}`),
    });
    for await (const { path, ...found } of items) listing.set(path, found);
    return { listing, warnings, odd: [] };
  }

  async readSmall(paths: readonly Bytes[]): Promise<Map<Bytes, Bytes>> {
    const contents = new Map<Bytes, Bytes>();
    for (const path of paths) {
      const parts: Buffer[] = [];
      await this.#read(path, (part) => void parts.push(part));
      contents.set(path, bytesFrom(Buffer.concat(parts)));
    }
    return contents;
  }

  async hashes(paths: readonly Bytes[]): Promise<Map<Bytes, string>> {
    const found = new Map<Bytes, string>();
    for (const path of paths) {
      const hash = createHash("sha256");
      await this.#read(path, (part) => void hash.update(part));
      found.set(path, hash.digest("hex"));
    }
    return found;
  }

  async remove(files: readonly Bytes[], folders: readonly Bytes[]): Promise<readonly Refused[]> {
    const there = (path: Bytes) => join(this.#folder, path);
    const refusals = new Refusals(this.#signal);
    await Promise.all(files.map((path) => refusals.attempt(path, () => this.#files.remove(there(path)))));
    for (const path of folders) await refusals.attempt(path, () => this.#files.removeFolder(there(path)));
    return refusals.all;
  }

  async #read(path: Bytes, take: (part: Buffer) => void): Promise<void> {
    await using file = await this.#files.openForReading(join(this.#folder, path));
    for (let position = 0;;) {
      this.#signal.throwIfAborted();
      const part = await file.read(position, this.#files.blockBytes);
      if (part === undefined || part.length === 0) return;
      take(part);
      position += part.length;
    }
  }
}
