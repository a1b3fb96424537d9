// What the commands share that administer a server's users and keys, in its data folder and while it runs, too.
import { z } from "zod";
import type { View } from "../../command.ts";
import { UsageError } from "../../errors.ts";
import type { World } from "../../world.ts";
import { dataFolderOf } from "./data-folder.ts";
import type { CiKey, Keys, NewCiKey } from "./keys.ts";
import type { CiUser, UserChoice, Users } from "./users.ts";

/** Which user is meant: an id behind the command, or an address. */
export const userParams = {
  id: z.string().optional().meta({ positional: true, description: "id of the user" }),
  email: z.string().optional().meta({ placeholder: "address", description: "address of the user, instead of the id" }),
};

interface Accounts extends Disposable {
  readonly users: Users;
  readonly keys: Keys;
}

/** Opens a server's users and keys. `isNew`: there may be no such folder yet. */
export async function openAccounts(
  world: World,
  { data, isNew = false }: { data: string | undefined; isNew?: boolean },
): Promise<Accounts> {
  const { openDatabase, openExistingDatabase } = await import("./database.ts");
  const { Keys } = await import("./keys.ts");
  const { Users } = await import("./users.ts");
  const folder = dataFolderOf(data, world);
  const database = isNew ? openDatabase(folder) : openExistingDatabase(folder);
  return {
    users: new Users(database, world),
    keys: new Keys(database, world),
    [Symbol.dispose]: () => database.close(),
  };
}

/** One of the two, and not both. */
export function chosenUser({ id, email }: UserChoice): UserChoice {
  if ((id === undefined) !== (email === undefined)) return { id, email };
  throw new UsageError("which user is meant", { hint: "name an id, or an address with `--email`" });
}

export function viewUser({ id, name, email, active, admin }: CiUser): View {
  return `${id} ${name} <${email}>${admin ? ", admin" : ""}${active ? "" : ", deactivated"}`;
}

export function viewUsers(users: readonly CiUser[]): View {
  return {
    columns: ["id", "name", "email", "active", "admin", "created"],
    rows: users.map(({ id, name, email, active, admin, created_at }) => [
      ...[id, name, email, active ? "yes" : "no", admin ? "yes" : "no", dayOf(created_at)],
    ]),
    empty: "There are no users yet; `gpu ci user create` makes one.",
  };
}

/** The key alone is the answer, so that a script can take it. */
export function viewNewKey({ key, id, expires_at }: NewCiKey): View {
  const until = expires_at === null ? "It does not expire." : `It expires on ${dayOf(expires_at)}.`;
  return [{ stderr: `${id}: keep the key now, it is not shown again. ${until}` }, key];
}

export function viewKeys(keys: readonly CiKey[], { now }: { now: number }): View {
  return {
    columns: ["id", "user", "name", "key", "created", "expires", "last used", "state"],
    rows: keys.map((key) => [
      ...[key.id, key.user_email, key.name, `${key.begins}…`, dayOf(key.created_at), dayOf(key.expires_at)],
      ...[dayOf(key.last_used_at), stateOf(key, now)],
    ]),
    empty: "There are no keys yet; `gpu ci key create` makes one.",
    narrow: [{ column: "last used" }, { column: "created" }],
  };
}

function stateOf({ revoked_at, expires_at }: CiKey, now: number): string {
  if (revoked_at !== null) return "revoked";
  return expires_at !== null && Date.parse(expires_at) <= now ? "expired" : "valid";
}

function dayOf(time: string | null): string {
  return time?.slice(0, 10) ?? "-";
}
