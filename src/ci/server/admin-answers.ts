import { z } from "zod";
import { durationMs, durationPattern, positiveDurationPattern } from "../../duration.ts";
import { GpuError, NotFoundError } from "../../errors.ts";
import { jsonOf } from "../../http/json.ts";
import type { Caller } from "./access.ts";
import { detail, invalid } from "./answers.ts";
import type { Keys } from "./keys.ts";
import { AccountEmail, AccountName, type Users } from "./users.ts";

/** Users and keys of a server that has them. */
export interface Accounts {
  readonly users: Users;
  readonly keys: Keys;
}

interface Ask {
  readonly request: Request;
  readonly caller: Caller;
  readonly accounts?: Accounts;
  /** `users`, an id, `activate`. */
  readonly words: readonly string[];
}

const maxBodyBytes = 64 * 2 ** 10;

const NewUser = z.object({ name: AccountName, email: AccountEmail, admin: z.boolean().default(false) });
const NewKey = z.object({
  user_id: z.string().optional(),
  email: z.string().optional(),
  name: AccountName,
  /** A span like `90d`. */
  expires_in: z.string().regex(positiveDurationPattern).optional(),
});
const Rotation = z.object({ grace: z.string().regex(durationPattern).optional() });

/** What only a user who is an admin may ask: `/admin/users` and `/admin/keys`. */
export async function administer({ request, caller, accounts, words }: Ask): Promise<Response> {
  if (!accounts) return detail(404, "Not Found");
  if (!caller.isAdmin) return detail(403, "Admin access required");
  try {
    const [what, id = "", verb] = words;
    const body = request.method === "POST" ? await bodyOf(request) : undefined;
    const query = new URL(request.url).searchParams;
    const answer = what === "users"
      ? users(accounts, { id, verb, body })
      : keys(accounts, { id, verb, body, userId: query.get("user_id"), email: query.get("email") });
    // A key that was just made must not lie in a cache.
    return Response.json(answer, { headers: { "cache-control": "no-store" } });
  } catch (error) {
    if (error instanceof z.ZodError) return invalidBody(error);
    if (error instanceof TooLong) return detail(413, "The request is too long");
    if (error instanceof NotFoundError) return detail(404, error.message);
    if (error instanceof GpuError) return detail(409, error.message);
    throw error;
  }
}

function users(
  { users }: Accounts,
  { id, verb, body }: { id: string; verb: string | undefined; body: unknown },
): unknown {
  if (verb !== undefined) return users.setActive({ id }, { isActive: verb === "activate" });
  if (id !== "") return users.get({ id });
  if (body === undefined) return users.list();
  const { admin: isAdmin, ...user } = NewUser.parse(body);
  return users.create({ ...user, isAdmin });
}

function keys(
  { keys }: Accounts,
  { id, verb, body, userId, email }: {
    id: string;
    verb: string | undefined;
    body: unknown;
    userId: string | null;
    email: string | null;
  },
): unknown {
  if (verb === "revoke") return keys.revoke(id);
  if (verb === "rotate") {
    const { grace } = Rotation.parse(body ?? {});
    return keys.rotate(id, { graceMs: grace === undefined ? 0 : durationMs(grace) });
  }
  if (body === undefined) return keys.list({ id: userId ?? undefined, email: email ?? undefined });
  const { user_id, email: whose, name, expires_in } = NewKey.parse(body);
  const lifetimeMs = expires_in === undefined ? undefined : durationMs(expires_in);
  return keys.create({ id: user_id, email: whose }, { name, lifetimeMs });
}

class TooLong extends Error {
  override name = "TooLong";
}

/** An empty body is an empty object. */
async function bodyOf(request: Request): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.length;
    if (length > maxBodyBytes) throw new TooLong();
    parts.push(part);
  }
  return length === 0 ? {} : jsonOf(Buffer.concat(parts).toString("utf8")) ?? null;
}

function invalidBody({ issues }: z.ZodError): Response {
  const [issue] = issues;
  return invalid({
    type: issue?.code ?? "value_error",
    loc: ["body", ...(issue?.path ?? []).map(String)],
    msg: issue?.message ?? "Input is not valid",
    input: null,
  });
}
