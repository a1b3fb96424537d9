import type { Database } from "bun:sqlite";
import { z } from "zod";
import { GpuError, NotFoundError } from "../../errors.ts";
import type { World } from "../../world.ts";

/** A name of a user or a key: it stands in lists on terminals. */
export const AccountName = z.string().trim().min(1, "a name is not empty").max(200)
  .regex(/^\P{C}*$/u, "a name on one line, without control characters");

/** The address of a user. */
export const AccountEmail = AccountName.regex(/^\S+@\S+$/, "an address like `ada@example.com`");

/** Somebody who may submit jobs. */
export const CiUser = z.object({
  id: z.string().describe("id of the user"),
  name: z.string().describe("what the user is called"),
  email: z.string().describe("address, one user each"),
  active: z.boolean().describe("whether the user's keys are accepted"),
  admin: z.boolean().describe("whether the user's keys may make users and keys over HTTP"),
  created_at: z.iso.datetime().describe("when the user was made"),
});
export type CiUser = z.output<typeof CiUser>;

/** Which user is meant: by id or by address. */
export interface UserChoice {
  readonly id?: string;
  readonly email?: string;
}

interface Row {
  id: string;
  name: string;
  email: string;
  is_active: number;
  is_admin: number;
  created_at: string;
}

/** The users of a CI server. */
export class Users {
  readonly #db: Database;
  readonly #world: Pick<World, "clock" | "random">;

  constructor(db: Database, world: Pick<World, "clock" | "random">) {
    this.#db = db;
    this.#world = world;
  }

  create({ name, email, isAdmin = false }: { name: string; email: string; isAdmin?: boolean }): CiUser {
    const id = `user_${Buffer.from(this.#world.random(6)).toString("hex")}`;
    const { changes } = this.#db.run(
      "INSERT INTO users (id, name, email, is_active, is_admin, created_at) VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT (email) DO NOTHING",
      [id, name, email, isAdmin ? 1 : 0, new Date(this.#world.clock.now()).toISOString()],
    );
    if (changes === 0) {
      throw new GpuError(`there is a user with the address \`${email}\` already`, {
        hint: "`gpu ci user list` shows the users",
      });
    }
    return this.get({ id });
  }

  /** In the order they were made. */
  list(): CiUser[] {
    return this.#db.query<Row, []>("SELECT * FROM users ORDER BY created_at, rowid").all().map(userOf);
  }

  find({ id, email }: UserChoice): CiUser | undefined {
    const row = this.#db.query<Row, [string | null, string | null]>(
      "SELECT * FROM users WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR email = ?2 COLLATE NOCASE)",
    ).get(id ?? null, email ?? null);
    return row === null || (id === undefined && email === undefined) ? undefined : userOf(row);
  }

  get(choice: UserChoice): CiUser {
    const user = this.find(choice);
    if (user) return user;
    throw new NotFoundError(`there is no user \`${choice.id ?? choice.email ?? ""}\``, {
      hint: "`gpu ci user list` shows the users",
    });
  }

  /** A user that is not active keeps keys and jobs, but no key is accepted. */
  setActive(choice: UserChoice, { isActive }: { isActive: boolean }): CiUser {
    const { id } = this.get(choice);
    this.#db.run("UPDATE users SET is_active = ? WHERE id = ?", [isActive ? 1 : 0, id]);
    return this.get({ id });
  }

  get count(): number {
    return this.#db.query<{ count: number }, []>("SELECT count(*) AS count FROM users").get()?.count ?? 0;
  }
}

function userOf({ id, name, email, is_active, is_admin, created_at }: Row): CiUser {
  return { id, name, email, active: is_active === 1, admin: is_admin === 1, created_at };
}
