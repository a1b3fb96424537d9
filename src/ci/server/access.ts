import { createHash, timingSafeEqual } from "node:crypto";
import { detail } from "./answers.ts";
import { keyHeaders } from "../job.ts";
import type { Keys } from "./keys.ts";

/** Who asks. */
export interface Caller {
  /** Whose jobs these are; "" where there is one user only. */
  readonly userId: string;
  readonly isAdmin: boolean;
  /** What every answer to this caller says. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the key is still accepted, for an answer that takes its time; absent where nobody can take it away. */
  isStillAccepted?(): boolean;
}

/** Finds out who asks, or answers that nobody is known by that. */
export type Access = (request: Request) => Caller | Response;

const onlyUser: Caller = { userId: "", isAdmin: false, headers: {} };

/** One user, who has this token. */
export function tokenAccess(token: string): Access {
  return (request) => {
    const bearer = bearerIn(request);
    if (bearer instanceof Response) return bearer;
    return isSameSecret(bearer, token) ? onlyUser : unknownKey();
  };
}

/** One user, who needs no key. Others on this computer's network cannot reach it, and pages in its browsers must not. */
export const openAccess: Access = (request) => {
  const { hostname } = new URL(request.url);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  // A page from elsewhere may send forms here, and a name of elsewhere may lead here.
  if (isHere && request.headers.get("origin") === null) return onlyUser;
  return detail(403, "This server takes no requests of web pages, and only by the name of its own computer");
};

/** Users with keys. */
export function keyAccess(keys: Keys): Access {
  return (request) => {
    const bearer = bearerIn(request);
    if (bearer instanceof Response) return bearer;
    const checked = keys.check(bearer);
    if (checked.kind === "unknown") return unknownKey();
    const headers = {
      [keyHeaders.created]: checked.key.created_at,
      ...(checked.key.expires_at !== null && { [keyHeaders.expires]: checked.key.expires_at }),
    };
    if (checked.kind === "expired") return unknownKey(headers);
    // The existing server answers 401 here, though its manual says 403.
    if (checked.kind === "inactive") {
      return detail(401, "User not found or inactive", { "www-authenticate": "Bearer", ...headers });
    }
    return {
      ...{ userId: checked.user.id, isAdmin: checked.user.admin, headers },
      isStillAccepted: () => keys.check(bearer).kind === "accepted",
    };
  };
}

function bearerIn(request: Request): string | Response {
  const header = (request.headers.get("authorization") ?? "").trim();
  if (header === "" || /^bearer$/i.test(header)) return detail(403, "Not authenticated");
  if (!/^bearer\s/i.test(header)) return detail(403, "Invalid authentication credentials");
  return bearerOf(request);
}

/** The answer to a key that nobody has, or that is accepted no more. */
export function unknownKey(headers: Readonly<Record<string, string>> = {}): Response {
  return detail(401, "Invalid or revoked API key", { "www-authenticate": "Bearer", ...headers });
}

/** Compares two secrets in a time that says nothing about either. */
export function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return expected !== "" && timingSafeEqual(digest(given), digest(expected));
}

/** The key of an `Authorization: Bearer` header, "" without one. */
export function bearerOf(request: Request): string {
  return /^bearer\s+(\S.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1]?.trim() ?? "";
}
