import type { Database } from "bun:sqlite";
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { GpuError, NotFoundError } from "../../errors.ts";
import type { World } from "../../world.ts";
import { type CiUser, type UserChoice, Users } from "./users.ts";

/** A key as it is listed: what it is was shown once, when it was made. */
export const CiKey = z.object({
  id: z.string().describe("id of the key, which is no secret"),
  user_id: z.string().describe("whose key it is"),
  user_email: z.string().describe("address of that user"),
  name: z.string().describe("what the key is called"),
  begins: z.string().describe("how the key begins, to tell it from others"),
  created_at: z.iso.datetime().describe("when it was made"),
  expires_at: z.iso.datetime().nullable().describe("when it ends; null when it does not"),
  last_used_at: z.iso.datetime().nullable().describe("when it was last accepted, to the minute; null when never"),
  revoked_at: z.iso.datetime().nullable().describe("when it was revoked; null when it was not"),
});
export type CiKey = z.output<typeof CiKey>;

/** A key that was just made, and the key itself: only its SHA-256 is kept. */
export const NewCiKey = CiKey.extend({ key: z.string().describe("the key itself, which is not shown again") });
export type NewCiKey = z.output<typeof NewCiKey>;

/** Whose key was presented, or why it is not accepted. */
export type KeyCheck =
  | { readonly kind: "accepted"; readonly user: CiUser; readonly key: CiKey }
  | { readonly kind: "inactive"; readonly key: CiKey }
  | { readonly kind: "expired"; readonly key: CiKey }
  | { readonly kind: "unknown" };

interface Row extends CiKey {
  hash: string;
}

const select = "SELECT keys.*, users.email AS user_email FROM keys JOIN users ON users.id = keys.user_id";

/** The last use of a key is written so often, in milliseconds: not with each request. */
const useStepMs = 60_000;

/** The keys of a CI server: `ci_` and 40 characters, as the existing server's. */
export class Keys {
  readonly #db: Database;
  readonly #users: Users;
  readonly #world: Pick<World, "clock" | "random">;

  constructor(db: Database, world: Pick<World, "clock" | "random">) {
    this.#db = db;
    this.#users = new Users(db, world);
    this.#world = world;
  }

  /** `lifetimeMs`: for how long it is accepted. */
  create(choice: UserChoice, { name, lifetimeMs }: { name: string; lifetimeMs?: number }): NewCiKey {
    const { id: userId } = this.#users.get(choice);
    const now = this.#world.clock.now();
    const id = `key_${Buffer.from(this.#world.random(6)).toString("hex")}`;
    const key = `ci_${Buffer.from(this.#world.random(30)).toString("base64url")}`;
    const expiresAt = lifetimeMs === undefined ? null : iso(now + lifetimeMs);
    this.#db.run(
      "INSERT INTO keys (id, user_id, name, hash, begins, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
      [id, userId, name, hashOf(key), key.slice(0, 7), iso(now), expiresAt],
    );
    return { ...this.get(id), key };
  }

  /** The oldest first; of one user, or all. */
  list(choice: UserChoice = {}): CiKey[] {
    const isAll = choice.id === undefined && choice.email === undefined;
    const userId = isAll ? null : this.#users.get(choice).id;
    return this.#db.query<Row, [string | null]>(
      `${select} WHERE ?1 IS NULL OR user_id = ?1 ORDER BY keys.created_at, keys.rowid`,
    ).all(userId).map(keyOf);
  }

  get(id: string): CiKey {
    const row = this.#db.query<Row, [string]>(`${select} WHERE keys.id = ?`).get(id);
    if (row !== null) return keyOf(row);
    throw new NotFoundError(`there is no key \`${id}\``, { hint: "`gpu ci key list` shows the keys by their ids" });
  }

  /** It is accepted no more; revoking it again changes nothing. */
  revoke(id: string): CiKey {
    this.get(id);
    this.#db.run("UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", [
      iso(this.#world.clock.now()),
      id,
    ]);
    return this.get(id);
  }

  /** A new key in its place, with its name and a lifetime as long; the old one is accepted for `graceMs` more. */
  rotate(id: string, { graceMs = 0 }: { graceMs?: number } = {}): NewCiKey {
    return this.#db.transaction(() => {
      const old = this.get(id);
      if (old.revoked_at !== null) throw new GpuError(`the key \`${id}\` is revoked: nothing can take its place`);
      const lifetimeMs = old.expires_at === null ? undefined : Date.parse(old.expires_at) - Date.parse(old.created_at);
      const made = this.create({ id: old.user_id }, { name: old.name, lifetimeMs });
      if (graceMs === 0) this.revoke(id);
      else this.#endBy(old, this.#world.clock.now() + graceMs);
      return made;
    }).immediate();
  }

  /** Whose key it is. Its last use is written down. */
  check(presented: string): KeyCheck {
    const hash = hashOf(presented);
    const row = this.#db.query<Row, [string]>(`${select} WHERE hash = ?`).get(hash);
    if (row === null || !timingSafeEqual(Buffer.from(row.hash), Buffer.from(hash))) return { kind: "unknown" };
    const key = keyOf(row);
    if (key.revoked_at !== null) return { kind: "unknown" };
    const now = this.#world.clock.now();
    if (key.expires_at !== null && Date.parse(key.expires_at) <= now) return { kind: "expired", key };
    const user = this.#users.find({ id: key.user_id });
    if (!user?.active) return { kind: "inactive", key };
    if (key.last_used_at === null || now - Date.parse(key.last_used_at) >= useStepMs) this.#noteUse(key, now);
    return { kind: "accepted", user, key };
  }

  /** On a full disk jobs can still be read, though nobody learns of it. */
  #noteUse({ id }: CiKey, now: number): void {
    try {
      this.#db.run("UPDATE keys SET last_used_at = ? WHERE id = ?", [iso(now), id]);
    } catch {
      // The next use is noted.
    }
  }

  #endBy({ id, expires_at }: CiKey, time: number): void {
    if (expires_at !== null && Date.parse(expires_at) <= time) return;
    this.#db.run("UPDATE keys SET expires_at = ? WHERE id = ?", [iso(time), id]);
  }
}

/** All that is kept of a key. It is 240 bits of chance, so no slower hash is needed. */
function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

function keyOf({ hash: _hash, ...key }: Row): CiKey {
  return key;
}

/** Times end with the year 9999: what is later has another form, and beyond that there is none. */
const lastMs = Date.UTC(9999, 11, 31);

function iso(ms: number): string {
  if (ms > lastMs) throw new GpuError("a key cannot be accepted for so long", { hint: "`never` is for ever" });
  return new Date(ms).toISOString();
}
