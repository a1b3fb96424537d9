import { createCipheriv, createDecipheriv } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { jsonOf } from "../../http/json.ts";
import type { World } from "../../world.ts";

const Variables = z.record(z.string(), z.string());
type Variables = z.infer<typeof Variables>;

const method = "aes-256-gcm";
const ivBytes = 12;
const tagBytes = 16;

/**
 * Variables of jobs that wait, which may be secrets: on the disk only encrypted, and only until their job has begun. The
 * key lies beside them, its owner's alone, so that jobs outlive a restart: this keeps them out of searches and of what
 * is thrown away, not from who may read the data folder.
 */
export class SealedVariables {
  readonly #folder: string;
  readonly #random: World["random"];

  constructor(dataFolder: string, { random }: Pick<World, "random">) {
    this.#folder = join(dataFolder, "sealed");
    this.#random = random;
  }

  put(id: string, variables: Variables): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const iv = this.#random(ivBytes);
    const cipher = createCipheriv(method, this.#key(), iv);
    const text = Buffer.concat([cipher.update(JSON.stringify(variables), "utf8"), cipher.final()]);
    writeFileSync(this.#path(id), Buffer.concat([iv, cipher.getAuthTag(), text]), { mode: 0o600 });
  }

  /** None for a job without any; undefined where they cannot be read any more. */
  get(id: string): Variables | undefined {
    if (!this.has(id)) return {};
    try {
      const bytes = readFileSync(this.#path(id));
      const decipher = createDecipheriv(method, this.#key(), bytes.subarray(0, ivBytes));
      decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      const text = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]);
      return Variables.parse(jsonOf(text.toString("utf8")));
    } catch {
      return undefined;
    }
  }

  has(id: string): boolean {
    return existsSync(this.#path(id));
  }

  remove(id: string): void {
    rmSync(this.#path(id), { force: true });
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.bin`);
  }

  #key(): Uint8Array {
    const path = join(this.#folder, "key");
    if (!existsSync(path)) writeFileSync(path, this.#random(32), { mode: 0o600, flag: "wx" });
    return readFileSync(path);
  }
}
