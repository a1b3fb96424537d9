import { generateKeyPair } from "../../ssh/keys.ts";
import { parsePublicKey } from "../keys.ts";
import { ApiError, invalidParameters } from "./answers.ts";
import { type Region, regions } from "./catalogue.ts";
import type { z } from "zod";
import type { NewFilesystem, NewKey } from "./requests.ts";

export interface StoredKey {
  readonly id: string;
  readonly name: string;
  readonly public_key: string;
}

export interface StoredFilesystem {
  readonly id: string;
  readonly name: string;
  readonly region: Region;
  /** ISO 8601. */
  readonly created: string;
}

/** The SSH keys and filesystems of the account. */
export class Store {
  keys: readonly StoredKey[] = [];
  filesystems: readonly StoredFilesystem[] = [];
  readonly #newId: () => string;

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** Makes a pair where no public key is given; its private half is in this answer and nowhere else. */
  async addKey({ name, public_key }: z.output<typeof NewKey>): Promise<StoredKey & { readonly private_key?: string }> {
    if (this.keys.some((key) => key.name === name)) throw invalidParameters(`There is a key \`${name}\` already.`);
    const pair = public_key === undefined ? generateKeyPair(name) : undefined;
    const publicKey = pair?.publicKey ?? public_key?.trim() ?? "";
    if (await parsePublicKey(publicKey) === undefined) throw invalidParameters("public_key: it is no public key.");
    const key = { id: this.#newId(), name, public_key: publicKey };
    this.keys = [...this.keys, key];
    return pair === undefined ? key : { ...key, private_key: pair.privateKey };
  }

  deleteKey(id: string): void {
    if (!this.keys.some((key) => key.id === id)) throw new ApiError(404, "global/not-found", "There is no such key.");
    this.keys = this.keys.filter((key) => key.id !== id);
  }

  createFilesystem({ name, region }: z.output<typeof NewFilesystem>, now: number): StoredFilesystem {
    const where = regions.find((known) => known.name === region);
    if (where === undefined) throw invalidParameters(`region: there is no region \`${region}\`.`);
    if (this.filesystems.some((known) => known.name === name)) {
      throw new ApiError(400, "global/duplicate", `There is a filesystem \`${name}\` already.`);
    }
    const filesystem = { id: this.#newId(), name, region: where, created: new Date(now).toISOString() };
    this.filesystems = [...this.filesystems, filesystem];
    return filesystem;
  }

  deleteFilesystem(id: string, isInUse: boolean): void {
    if (!this.filesystems.some((known) => known.id === id)) {
      throw new ApiError(404, "global/object-does-not-exist", "There is no such filesystem.");
    }
    if (isInUse) {
      const code = "filesystems/filesystem-in-use";
      throw new ApiError(400, code, "The filesystem is in use.", "Terminate the instances that use it first.");
    }
    this.filesystems = this.filesystems.filter((known) => known.id !== id);
  }
}
