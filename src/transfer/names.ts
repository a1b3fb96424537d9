import { oneLine } from "../safe-text.ts";

/*
 * Names of files are bytes. Here they are texts with one character for each byte (latin1), so that they are compared,
 * cut and joined as bytes, and no name is changed by a decoding that cannot be undone.
 */

/** A path or a name, one character a byte; `/` between its parts. */
export type Bytes = string;

export function toBytes(text: string): Bytes {
  return Buffer.from(text, "utf8").toString("latin1");
}

export function bytesFrom(buffer: Uint8Array): Bytes {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString("latin1");
}

export function bufferOf(path: Bytes): Buffer {
  return Buffer.from(path, "latin1");
}

/** As people read it: what is not UTF-8, and what a terminal would obey, is written as `\x1b`. */
export function shown(path: Bytes): string {
  const text = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bufferOf(path));
  if (text.includes("\uFFFD") && toBytes(text) !== path) {
    return path.replace(/[^\x20-\x7e]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
  }
  const escaped = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (found) => {
    const code = found.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
  return oneLine(escaped) === "" ? `"${escaped}"` : escaped;
}

/** Joined with one `/`; "" and "." before it are left out. */
export function join(folder: Bytes, name: Bytes): Bytes {
  if (folder === "" || folder === ".") return name;
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** The last part of a path, "" for one that has none. */
export function lastPart(path: Bytes): Bytes {
  const trimmed = path.replace(/\/+$/, "");
  return trimmed.slice(trimmed.lastIndexOf("/") + 1);
}

/** What a path is in. */
export function folderOf(path: Bytes): Bytes {
  const trimmed = path.replace(/\/+$/, "");
  const at = trimmed.lastIndexOf("/");
  return at < 0 ? "." : at === 0 ? "/" : trimmed.slice(0, at);
}

const reserved = /^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?$/i;

/** Why something of that name is not written here; undefined for a harmless one. */
export function nameProblem(name: Bytes, platform: NodeJS.Platform): string | undefined {
  if (name === "" || name === "." || name === "..") return "it is no name of a file";
  if (name.includes("/") || name.includes("\0")) return "it leads elsewhere";
  if (platform !== "win32") return undefined;
  if (/[\\:]/.test(name)) return "it leads elsewhere";
  if (/[<>"|?*\x00-\x1f]/.test(name) || /[. ]$/.test(name)) return "Windows has no such names";
  return reserved.test(name) ? "it is a device on Windows" : undefined;
}

/** Whether two names are one on this computer, which folds upper and lower case: the same for both. */
export function foldedName(name: Bytes, platform: NodeJS.Platform): string {
  if (platform !== "win32" && platform !== "darwin") return name;
  return bufferOf(name).toString("utf8").normalize("NFC").toLowerCase();
}

/** Whether a link in a folder leads out of the tree that the folder is in. `folder` is relative to the tree. */
export function leadsOut(folder: Bytes, target: Bytes, platform: NodeJS.Platform): boolean {
  const isWindows = platform === "win32";
  if (target.startsWith("/") || (isWindows && /^\\|^[A-Za-z]:/.test(target))) return true;
  let depth = folder === "" || folder === "." ? 0 : folder.split("/").length;
  for (const part of target.split(isWindows ? /[\\/]/ : "/")) {
    if (part === "" || part === ".") continue;
    depth += part === ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}
