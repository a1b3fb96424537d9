import { createHmac } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { GpuError, systemCode } from "../errors.ts";
import { reasonOf } from "../files.ts";
import { publicBlobOf } from "./key-file.ts";

/** One line of a known_hosts file: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
export interface KnownHost {
  readonly marker: "revoked" | "cert-authority" | undefined;
  readonly type: string;
  readonly blob: Buffer;
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
  readonly isHashed: boolean;
  matches(name: string): boolean;
}

/** Whose key is looked for: its address, or the name it is known under instead. */
export interface HostIdentity {
  readonly host: string;
  readonly port: number;
  readonly alias: string | null;
}

/** The name that a host's key is kept under: `host`, or `[host]:port` where the port is not 22. */
export function knownName({ host, port, alias }: HostIdentity): string {
  const name = (alias ?? host).toLowerCase();
  return alias !== null || port === 22 ? name : `[${name}]:${port}`;
}

/** Its name without the port, under which OpenSSH believes a key as well; undefined where it has no other. */
export function portlessName({ host, port, alias }: HostIdentity): string | undefined {
  return alias !== null || port === 22 ? undefined : host.toLowerCase();
}

const largestFile = 64 * 1024 * 1024;

/** Reads known_hosts files and keeps what they said for as long as they stay as they are. */
export class KnownHostsFiles {
  readonly #read = new Map<string, { stamp: string; entries: Promise<readonly KnownHost[]> }>();

  /** The lines of all files that are there. */
  async entries(paths: readonly string[]): Promise<readonly KnownHost[]> {
    return (await Promise.all(paths.map((path) => this.#entriesOf(path)))).flat();
  }

  async #entriesOf(path: string): Promise<readonly KnownHost[]> {
    const stamp = await stampOf(path);
    if (stamp === undefined) return [];
    const known = this.#read.get(path);
    if (known?.stamp === stamp) return await known.entries;
    const entries = readFile(path, "utf8").then((text) => parseKnownHosts(text, path), (error: unknown) => {
      throw new GpuError(`the known hosts in \`${path}\` cannot be read: ${reasonOf(error)}`, { cause: error });
    });
    this.#read.set(path, { stamp, entries });
    return await entries;
  }
}

async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { mtimeMs, size, ino, isFile } = await stat(path).then((stats) =>
      Object.assign(stats, { isFile: stats.isFile() })
    );
    if (!isFile) return undefined;
    if (size > largestFile) throw new GpuError(`\`${path}\` is far too long for a list of known hosts`);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    if (error instanceof GpuError) throw error;
    throw new GpuError(`the known hosts in \`${path}\` cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** The lines that can be read; OpenSSH passes over the others too. */
export function parseKnownHosts(text: string, path: string): KnownHost[] {
  return text.split("\n").flatMap((line, index) => parseLine(line.trim(), { path, line: index + 1 }) ?? []);
}

function parseLine(text: string, place: { path: string; line: number }): KnownHost | undefined {
  if (text === "" || text.startsWith("#")) return undefined;
  const words = text.split(/\s+/);
  const marker = markers[words[0] ?? ""];
  if (text.startsWith("@") && marker === undefined) return undefined;
  const [names = "", type = "", encoded = ""] = marker === undefined ? words : words.slice(1);
  const blob = publicBlobOf(`${type} ${encoded}`);
  if (blob === undefined) return undefined;
  const isHashed = names.startsWith("|1|");
  return { marker, type, blob, ...place, isHashed, matches: isHashed ? hashed(names) : listed(names) };
}

const markers: Readonly<Record<string, KnownHost["marker"]>> = {
  "@revoked": "revoked",
  "@cert-authority": "cert-authority",
};

function hashed(names: string): KnownHost["matches"] {
  const [, , salt = "", hash = ""] = names.split("|");
  const key = Buffer.from(salt, "base64");
  const expected = Buffer.from(hash, "base64");
  return (name) => createHmac("sha1", key).update(name).digest().equals(expected);
}

function listed(names: string): KnownHost["matches"] {
  const patterns = names.toLowerCase().split(",").filter((pattern) => pattern !== "");
  // Most lines are plain names, and there may be thousands of lines for thousands of hosts.
  if (!/[*?!]/.test(names)) return (name) => patterns.includes(name);
  return (name) => matchesPatterns(name, patterns);
}

/** OpenSSH's pattern lists: `*`, `?`, and `!` before what is left out whatever else matches. */
export function matchesPatterns(name: string, patterns: readonly string[]): boolean {
  if (patterns.some((pattern) => pattern.startsWith("!") && matchesPattern(name, pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith("!") && matchesPattern(name, pattern));
}

/** Without a regular expression: a pattern of many stars must not take forever. */
function matchesPattern(name: string, pattern: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let afterStar = 0;
  while (at < name.length) {
    const wanted = pattern[inPattern];
    if (wanted === "*") {
      star = inPattern++;
      afterStar = at;
    } else if (wanted !== undefined && (wanted === "?" || wanted === name[at])) {
      inPattern++;
      at++;
    } else if (star >= 0) {
      inPattern = star + 1;
      at = ++afterStar;
    } else return false;
  }
  while (pattern[inPattern] === "*") inPattern++;
  return inPattern === pattern.length;
}
