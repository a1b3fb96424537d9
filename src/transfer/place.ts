import { UsageError } from "../errors.ts";
import { type Bytes, toBytes } from "./names.ts";

/** What a word of the command line stands for: a path here, or one on a machine. */
export type Place = { readonly kind: "local"; readonly path: string } | RemotePlace;

export interface RemotePlace {
  readonly kind: "remote";
  /** As selections take it; undefined for the only instance there is. */
  readonly target: string | undefined;
  /** Relative to the home of who logs in; "" is that home. */
  readonly path: Bytes;
}

/**
 * As scp reads it: a colon before any slash separates a machine from a path on it, so `./a:b` is a file here. A machine
 * may be `user@host`, `user@host:2222`, `[2001:db8::1]`, or nothing: the only instance.
 */
export function parsePlace(word: string, platform: NodeJS.Platform): Place {
  if (word === "") throw new UsageError("an empty path", { hint: "`.` is this folder" });
  if (word.includes("\0")) throw new UsageError("a path with a NUL character in it");
  if (platform === "win32" && /^[A-Za-z]:([\\/]|$)/.test(word)) return { kind: "local", path: word };
  const bracketed = /^((?:[^@/\\[\]]+@)?\[[^\]/]+\](?::\d+(?=:))?):([^]*)$/.exec(word);
  if (bracketed) return remote(unbracketed(bracketed[1] ?? ""), bracketed[2] ?? "");
  const withPort = /^([^@:/\\]+@[^@:/\\[\]]+:\d{1,5}):([^]*)$/.exec(word);
  if (withPort) return remote(withPort[1] ?? "", withPort[2] ?? "");
  const at = word.indexOf(":");
  const slash = platform === "win32" ? word.search(/[\\/]/) : word.indexOf("/");
  if (at < 0 || (slash >= 0 && slash < at)) return { kind: "local", path: word };
  return remote(word.slice(0, at), word.slice(at + 1));
}

/** A folder or a file on a machine, or an error that says how one is written. */
export function parseRemotePlace(word: string, platform: NodeJS.Platform): RemotePlace {
  const place = parsePlace(word, platform);
  if (place.kind === "remote") return place;
  throw new UsageError(`\`${word}\` is no place on a machine`, {
    hint: "write `machine:path`, as in `trainer:project`",
  });
}

function remote(target: string, path: string): RemotePlace {
  return { kind: "remote", target: target === "" ? undefined : target, path: toBytes(fromHome(path)) };
}

/** `user@[::1]` is how it is written before a port, and stays so. */
function unbracketed(target: string): string {
  const plain = /^(?:([^@]+)@)?\[([^\]]+)\]$/.exec(target);
  if (!plain) return target;
  const [, user, host = ""] = plain;
  return host.includes(":") ? target : `${user === undefined ? "" : `${user}@`}${host}`;
}

/** SFTP knows no `~`, but starts at the home. */
function fromHome(path: string): string {
  if (path === "~" || path === "~/") return "";
  return path.startsWith("~/") ? path.slice(2).replace(/^\/+/, "") : path;
}
