import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { zipSync } from "fflate";
import { root } from "../toolchain.ts";

interface Source {
  /** Where the executable is. */
  readonly path: string;
  /** What it is called inside: `gpu`, `gpu.exe`. */
  readonly name: string;
  readonly date: Date;
}

/**
 * Blocks of a fixed size and more than one thread: with them xz gives the same bytes on any number of cores. The level is
 * the first: the third makes files that are 3 % smaller in three times the time.
 */
const xz = ["xz", "-1", "--threads=4", "--block-size=16MiB", "--check=crc64"];

/** Writes a `.tar.xz` with the executable and the licence. The same content gives the same bytes. */
export function writeTarXz(outfile: string, { path, name, date }: Source): void {
  using folder = new Folder();
  copyFileSync(path, join(folder.path, name));
  chmodSync(join(folder.path, name), 0o755);
  copyFileSync(join(root, "LICENSE"), join(folder.path, "LICENSE"));
  chmodSync(join(folder.path, "LICENSE"), 0o644);
  const owner = ["--owner=0", "--group=0", "--numeric-owner", `--mtime=@${date.getTime() / 1000}`, "--sort=name"];
  run([
    ...["tar", "--format=ustar", ...owner, `--use-compress-program=${xz.join(" ")}`],
    ...["-cf", outfile, "-C", folder.path, "LICENSE", name],
  ]);
}

/** The same as a `.zip`, for Windows. */
export function writeZip(outfile: string, { path, name, date }: Source): void {
  const files = { LICENSE: readFileSync(join(root, "LICENSE")), [name]: readFileSync(path) };
  // A zip's times have no zone.
  const mtime = new Date(date.getTime() + date.getTimezoneOffset() * 60_000);
  writeFileSync(outfile, zipSync(files, { level: 9, mtime }));
}

/** What goes into a package of Debian, beside the executable. */
export interface DebFile {
  readonly path: string;
  readonly content: string | Uint8Array;
}

/** Writes a package of Debian (deb(5)): `dpkg-deb` makes the same of the same, given the time. */
export function writeDeb(
  outfile: string,
  { path, date, version, architecture, files }: Omit<Source, "name"> & {
    version: string;
    architecture: string;
    files: readonly DebFile[];
  },
): void {
  using folder = new Folder();
  const add = (name: string, write: (target: string) => void, mode = 0o644) => {
    const target = join(folder.path, name);
    makeOpenFolder(dirname(target), folder.path);
    write(target);
    chmodSync(target, mode);
    utimesSync(target, date, date);
  };
  add("usr/bin/gpu", (target) => copyFileSync(path, target), 0o755);
  for (const { path: name, content } of files) add(name, (target) => writeFileSync(target, content));
  const kilobytes = Math.ceil(readFileSync(path).length / 1024);
  add("DEBIAN/control", (target) => writeFileSync(target, controlOf({ version, architecture, kilobytes })));
  run(["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", folder.path, outfile], {
    SOURCE_DATE_EPOCH: String(date.getTime() / 1000),
  });
}

/** A folder that everybody may look into, and so those above it, whatever this user's files are like. */
function makeOpenFolder(path: string, top: string): void {
  mkdirSync(path, { recursive: true });
  for (let at = path; at.startsWith(top); at = dirname(at)) chmodSync(at, 0o755);
}

function controlOf(fields: { version: string; architecture: string; kilobytes: number }): string {
  return [
    "Package: gpu",
    // Behind a hyphen Debian expects what comes later, behind a tilde what comes before.
    `Version: ${fields.version.replace("-", "~")}`,
    `Architecture: ${fields.architecture}`,
    "Maintainer: gpu <gpu@localhost>",
    `Installed-Size: ${fields.kilobytes}`,
    "Depends: libc6",
    "Suggests: openssh-client, git",
    "Section: utils",
    "Priority: optional",
    "Description: rent a GPU, run work on it, and make sure it is given back",
    " One executable that rents machines from clouds, runs commands, tests and",
    " recipes on them, and stops them however it ends itself.",
    "",
  ].join("\n");
}

function run(command: readonly string[], environment: Readonly<Record<string, string>> = {}): void {
  const [program = "", ...words] = command;
  const { status, stderr, error } = spawnSync(program, words, {
    env: { PATH: process.env.PATH ?? "", LC_ALL: "C", TZ: "UTC", ...environment },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${program} failed: ${stderr || error?.message || ""}`);
}

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "gpu-release-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
