import type { Stats } from "node:fs";
import * as fs from "node:fs/promises";
import { sep } from "node:path";
import { systemCode } from "../../errors.ts";
import type { Attributes, Name } from "../sftp/wire.ts";
import { MalformedPacket } from "../sftp/wire.ts";

/** A client's path as an absolute one. Paths stay bytes: a name need not be UTF-8. */
export function absolutePath(home: string, path: Buffer): Buffer {
  if (path.includes(0)) throw new MalformedPacket("a path with a NUL in it");
  if (path[0] === slash) return sep === "\\" ? path.subarray(1) : path;
  return path.length === 0 ? Buffer.from(home) : Buffer.concat([Buffer.from(home), Buffer.of(slash), path]);
}

/** The path without `.`, `..` and symbolic links; its last part need not exist. */
export async function canonicalPath(path: Buffer): Promise<Buffer> {
  try {
    return await realPath(path);
  } catch (error) {
    const at = path.lastIndexOf(slash);
    const last = path.subarray(at + 1);
    if (systemCode(error) !== "ENOENT" || at < 0 || last.length === 0) throw error;
    const folder = await realPath(at === 0 ? path.subarray(0, 1) : path.subarray(0, at));
    return Buffer.concat([folder, Buffer.from(folder.at(-1) === slash ? "" : "/"), last]);
  }
}

async function realPath(path: Buffer): Promise<Buffer> {
  return await fs.realpath(path, { encoding: "buffer" });
}

/** What is in a folder, `.` and `..` included. */
export async function listFolder(path: Buffer): Promise<Buffer[]> {
  const names = await fs.readdir(path, { encoding: "buffer" });
  return [Buffer.from("."), Buffer.from(".."), ...names];
}

/** One line of a listing; what is gone since the folder was read is left out. */
export async function describe(
  { folder, name, now }: { folder: Buffer; name: Buffer; now: number },
): Promise<Name | undefined> {
  try {
    const stats = await fs.lstat(Buffer.concat([folder, Buffer.of(slash), name]));
    return { name, longName: longName({ name, stats, now }), attributes: attributesOf(stats) };
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

export function attributesOf(stats: Stats): Attributes {
  return {
    size: stats.size,
    owner: { uid: stats.uid, gid: stats.gid },
    mode: stats.mode,
    times: { atime: seconds(stats.atimeMs), mtime: seconds(stats.mtimeMs) },
  };
}

const slash = 0x2f;

function seconds(milliseconds: number): number {
  return Math.max(0, Math.floor(milliseconds / 1000));
}

function longName({ name, stats, now }: { name: Buffer; stats: Stats; now: number }): string {
  const { nlink, uid, gid, size, mtimeMs } = stats;
  const columns = [modeText(stats.mode), String(nlink).padStart(4), String(uid).padEnd(8), String(gid).padEnd(8)];
  return [...columns, String(size).padStart(12), dateText(mtimeMs, now), name.toString("utf8")].join(" ");
}

const kinds: Readonly<Record<number, string>> = { 1: "p", 2: "c", 4: "d", 6: "b", 8: "-", 10: "l", 12: "s" };

function modeText(mode: number): string {
  const bits = [..."rwxrwxrwx"].map((letter, index) => (mode & (0o400 >> index)) === 0 ? "-" : letter);
  return (kinds[(mode >> 12) & 15] ?? "?") + bits.join("");
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const halfYearMs = 183 * 24 * 3600 * 1000;

/** `Nov  3 09:15`, or `Nov  3  2020` when that is long ago. */
function dateText(timeMs: number, now: number): string {
  const date = new Date(timeMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const isRecent = Math.abs(now - timeMs) < halfYearMs;
  const end = isRecent ? `${two(date.getHours())}:${two(date.getMinutes())}` : ` ${date.getFullYear()}`;
  return `${months[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${end}`;
}
