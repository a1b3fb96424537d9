import {
  accessSync,
  constants,
  type Dirent,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { join, sep } from "node:path";
import { GpuError, systemCode } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { ignoreFiles, isIgnored, parseRules, type Rules } from "../../transfer/ignored.ts";
import { bytesFrom, toBytes } from "../../transfer/names.ts";

/** A file to send: its name in the archive, and where its content is. */
export interface TreeFile {
  /** Relative to the project, with `/` between its parts. */
  readonly name: string;
  /** The real file: for a link, what it leads to. */
  readonly path: string;
  readonly bytes: number;
  readonly mode: number;
}

export interface Tree {
  /** Sorted by name. */
  readonly files: readonly TreeFile[];
  /** What ignore files leave out. */
  readonly leftOut: { files: number; bytes: number };
  /** Names that are neither a file nor a folder, or a link that leads out of the project or nowhere, with the reason. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

/** The files of a project, as both the CI protocol's rule and its ignore files want them. Signals are heard meanwhile. */
export async function readTree(
  dir: string,
  { isIgnoring, signal }: { isIgnoring: boolean; signal?: AbortSignal },
): Promise<Tree> {
  const root = realRoot(dir);
  const files: TreeFile[] = [];
  const leftOut = { files: 0, bytes: 0 };
  const skipped: { name: string; why: string }[] = [];
  const breath = breathing(signal, namesAtATime);
  // A project may be a folder of a repository, whose rules hold in it too.
  const outer = isIgnoring ? (await import("../../transfer/scan.ts")).outerRules(toBytes(root)) : [];

  const enter = async (prefix: string, outer: readonly Rules[]) => {
    const folder = join(root, prefix.slice(0, -1));
    const entries = entriesOf(folder);
    const rules = isIgnoring ? [...rulesOf(folder, prefix, entries), ...outer] : outer;
    for (const entry of entries) {
      if (isNeverSent(entry.name)) continue;
      await breath();
      const name = prefix + entry.name;
      const isFolder = entry.isDirectory();
      if (rules.length > 0 && isIgnored(toBytes(name), isFolder, rules)) {
        await count(join(folder, entry.name), leftOut, breath);
        continue;
      }
      refuseUnreadableName(folder, entry.name);
      if (isFolder) {
        await enter(`${name}/`, rules);
        continue;
      }
      const found = resolveFile(root, join(folder, entry.name), { isLink: entry.isSymbolicLink() });
      if (found === "gone") continue;
      if (typeof found === "string") skipped.push({ name, why: found });
      else files.push({ name, path: found.path, bytes: found.stats.size, mode: found.stats.mode & 0o777 });
    }
  };
  await enter("", outer);
  return { files: files.sort((a, b) => (a.name < b.name ? -1 : 1)), leftOut, skipped };
}

function isNeverSent(name: string): boolean {
  return name.startsWith(".") || name === "__pycache__";
}

/** How many names are looked at in one go: some milliseconds. */
const namesAtATime = 500;

/** To be awaited for each of many: every so often lets everything else have its turn, and throws when the signal fired. */
export function breathing(signal: AbortSignal | undefined, every: number): () => Promise<void> | undefined {
  let count = 0;
  return () => {
    if (++count % every !== 0) return;
    signal?.throwIfAborted();
    return new Promise((resolve) => setImmediate(resolve));
  };
}

/** Counts what is left out, without opening any of it: what cannot be looked at is nobody's loss. */
async function count(
  path: string,
  leftOut: { files: number; bytes: number },
  breath: () => Promise<void> | undefined,
): Promise<void> {
  const waiting = [path];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const pause = breath();
    if (pause !== undefined) await pause;
    try {
      const stats = lstatSync(next);
      if (stats.isDirectory()) {
        for (const name of readdirSync(next)) if (!isNeverSent(name)) waiting.push(`${next}${sep}${name}`);
      } else if (stats.isFile() || stats.isSymbolicLink()) {
        leftOut.files++;
        leftOut.bytes += stats.size;
      }
    } catch {
      // It went away, or is closed to us.
    }
  }
}

function realRoot(dir: string): string {
  try {
    if (statSync(dir).isDirectory()) return realpathSync(dir);
  } catch (error) {
    if (systemCode(error) === "ENOENT") {
      throw new GpuError(`there is no folder \`${dir}\``, { hint: "name the project's folder", cause: error });
    }
    throw unreadable("folder", dir, error);
  }
  throw new GpuError(`\`${dir}\` is not a folder`, { hint: "name the project's folder, not a file in it" });
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw unreadable("folder", folder, error);
  }
}

/** The rules of this folder's own ignore files, of which `.gpuignore` has the last word. A link is none, as in git. */
function rulesOf(folder: string, prefix: string, entries: readonly Dirent[]): Rules[] {
  const present = ignoreFiles.filter((name) => entries.some((entry) => entry.name === name && entry.isFile()));
  return present.map((name) => {
    try {
      return parseRules(bytesFrom(readFileSync(join(folder, name))), toBytes(prefix));
    } catch (error) {
      throw unreadable("file", join(folder, name), error);
    }
  }).toReversed();
}

/** The real file behind a name; or why it is not sent. */
function resolveFile(
  root: string,
  path: string,
  { isLink }: { isLink: boolean },
): { path: string; stats: Stats } | string {
  let stats: Stats;
  let real = path;
  try {
    if (isLink) {
      real = realpathSync(path);
      if (real === root) return "it is a link to a folder";
      if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) return "it is a link out of the project";
    }
    stats = lstatSync(real);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return isLink ? "it is a link to nothing" : "gone";
    if (systemCode(error) === "ELOOP") return "it is a link to itself";
    throw unreadable("file", path, error);
  }
  if (isLink && stats.isDirectory()) return "it is a link to a folder";
  if (!stats.isFile()) return "it is not a file";
  try {
    // Most files may be read by everybody, and asking takes as long as all the rest.
    if ((stats.mode & 0o444) !== 0o444) accessSync(real, constants.R_OK);
  } catch (error) {
    throw unreadable("file", path, error);
  }
  return { path: real, stats };
}

/** Zip names are UTF-8; a name that is not would arrive as another one. */
function refuseUnreadableName(folder: string, name: string): void {
  if (!name.includes("\uFFFD")) return;
  const bytes = readdirSync(folder, { encoding: "buffer" }).find((raw) =>
    raw.toString() === name && !Buffer.from(name).equals(raw)
  );
  if (bytes === undefined) return;
  const escaped = [...bytes].map((byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`
  ).join("");
  throw new GpuError(`the name of \`${escaped}\` in \`${folder}\` is not UTF-8, so it cannot be sent`, {
    hint: "rename it, or leave it out with a line in `.gpuignore`",
  });
}

/** The error for what is there but may not be read. */
export function unreadable(kind: "file" | "folder", path: string, error: unknown): GpuError {
  return new GpuError(`cannot read the ${kind} \`${path}\`: ${reasonOf(error)}`, {
    hint: "make it readable, or leave it out with a line in `.gpuignore`",
    cause: error,
  });
}
