import { createHash, timingSafeEqual } from "node:crypto";

/** The key that a request carries, as `Bearer KEY`, as Basic with the key as user, or as `Basic KEY`. */
export function keyOf(request: Request): string {
  const [, scheme = "", value = ""] = /^(\w+) +(\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return "";
  // `curl -u KEY:` sends base64; the document also allows the bare key, with or without its colon.
  const decoded = Buffer.from(value.replace(/:$/, ""), "base64").toString();
  return /^[\x21-\x7e]+:$/.test(decoded) ? decoded.slice(0, -1) : value.replace(/:$/, "");
}

/** Whether the key begins as the emulator's keys do. */
export function isAccepted(key: string, prefix: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(key.slice(0, prefix.length)), digest(prefix));
}

// A client that keeps exactly to the limit arrives a little early now and then.
const requestEveryMs = 950;
const launchEveryMs = 11_500;

/** One request a second, and one launch in twelve. */
export class RateLimit {
  #lastRequest = -Infinity;
  #lastLaunch = -Infinity;

  isOver({ now, isLaunch }: { now: number; isLaunch: boolean }): boolean {
    if (now - this.#lastRequest < requestEveryMs) return true;
    if (isLaunch && now - this.#lastLaunch < launchEveryMs) return true;
    this.#lastRequest = now;
    if (isLaunch) this.#lastLaunch = now;
    return false;
  }
}
