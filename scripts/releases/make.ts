import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { root } from "../toolchain.ts";
import { writeDeb, writeTarXz, writeZip } from "./archives.ts";
import { billOfMaterials, componentsOf } from "./bill-of-materials.ts";
import { publicKeyOf, signChecksums, sumsName, writeChecksums } from "./checksums.ts";
import { debFiles } from "./deb-files.ts";
import { formulaOf } from "./formula.ts";
import { loaders, troublesOf } from "./inspect.ts";
import { writeInstallers } from "./installers.ts";
import { signAdHoc } from "./mach-o.ts";
import { notesOf } from "./notes.ts";
import { writeNpmPackages } from "./npm.ts";
import { archiveName, executableName, type Platform, platforms } from "./platforms.ts";
import type { Release } from "./release.ts";

/** What an executable is compiled for, beside its platform. */
export interface Compiled {
  readonly platform: Platform;
  readonly outfile: string;
  /** Public key that its releases are signed with; undefined where nobody signs them. */
  readonly key: string | undefined;
}

/** What a release is made of. */
export interface Making {
  readonly release: Release;
  /** Where it goes, in the place of what is there. */
  readonly folder: string;
  /** Below it are the folders of the releases. No slash at the end. */
  readonly url: string;
  /** Private key of OpenSSH that signs the checksums; undefined where nobody signs them. */
  readonly keyPath: string | undefined;
  /** Writes the executable of a platform, and returns that of Bun around which it is. */
  compile(parts: Compiled): Promise<string>;
  say(text: string): void;
}

/** What Debian calls the processors. */
const debArchitectures = { x64: "amd64", arm64: "arm64" } as const;
const debs = platforms.filter(({ os, libc }) => os === "linux" && libc === "glibc");

/** What is in the folder of a release, in the order in which it is made. */
export function namesOf({ version }: Pick<Release, "version">, { isSigned }: { isSigned: boolean }): string[] {
  return [
    ...platforms.flatMap((platform) => [executableName(platform), archiveName(platform)]),
    ...debs.map((platform) => debName(platform, version)),
    ...["npm", "gpu.rb", "install.sh", "install.ps1", "sbom.cdx.json", "LICENSE", "release.json", "RELEASE-NOTES.md"],
    ...[sumsName, ...(isSigned ? [`${sumsName}.sig`] : [])],
  ];
}

/** Makes all files of a release. Throws where something about one of them is not as it has to be. */
export async function makeRelease({ release, folder, url, keyPath, compile, say }: Making): Promise<void> {
  const { version, date } = release;
  const key = keyPath === undefined ? undefined : publicKeyOf(keyPath);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const file = (name: string) => join(folder, name);

  for (const platform of platforms) {
    const outfile = file(executableName(platform));
    const bun = await compile({ platform, outfile, key });
    if (platform.os === "darwin") writeFileSync(outfile, signAdHoc(readFileSync(outfile), "gpu"));
    inspect(outfile, { platform, bun });
    say(`compiled and looked at ${executableName(platform)}`);
  }
  const started = platforms.filter(canStart);
  for (const platform of started) startHere(file(executableName(platform)), version);

  for (const platform of platforms) {
    const source = { path: file(executableName(platform)), date, name: platform.os === "windows" ? "gpu.exe" : "gpu" };
    if (platform.os === "windows") writeZip(file(archiveName(platform)), source);
    else writeTarXz(file(archiveName(platform)), source);
    say(`packed ${archiveName(platform)}`);
  }
  const [here] = started;
  if (here === undefined) throw new Error("none of the executables runs here, and one has to say its completions");
  const files = debFiles(file(executableName(here)), date);
  for (const platform of debs) {
    const name = debName(platform, version);
    const path = file(executableName(platform));
    writeDeb(file(name), { path, date, version, architecture: debArchitectures[platform.arch], files });
    say(`packed ${name}`);
  }
  writeNpmPackages(file("npm"), { version, executables: folder });
  const sha256 = (name: string) => createHash("sha256").update(readFileSync(file(name))).digest("hex");
  writeFileSync(file("gpu.rb"), formulaOf({ version, url: `${url}/v${version}`, sha256 }));
  writeInstallers(folder, { url, key });
  const components = await componentsOf();
  writeFileSync(file("sbom.cdx.json"), JSON.stringify(billOfMaterials(release, components), null, 2) + "\n");
  copyFileSync(join(root, "LICENSE"), file("LICENSE"));
  const description = { version, date: date.toISOString(), commit: release.commit };
  writeFileSync(file("release.json"), JSON.stringify(description, null, 2) + "\n");

  const names = readdirSync(folder).filter((name) => statSync(file(name)).isFile());
  const notes = notesOf({
    ...{ release, components, isSigned: keyPath !== undefined },
    files: names.toSorted().map((name) => ({ name, bytes: statSync(file(name)).size })),
    started: started.map(({ name }) => name),
    notStarted: platforms.filter((platform) => !started.includes(platform)).map(({ name }) => name),
  });
  writeFileSync(file("RELEASE-NOTES.md"), notes);
  writeChecksums(folder, [...names, "RELEASE-NOTES.md"]);
  if (keyPath !== undefined) signChecksums(folder, keyPath);
  say(`released gpu ${version} into ${folder}`);
}

function debName({ arch }: Platform, version: string): string {
  return `gpu_${version}_${debArchitectures[arch]}.deb`;
}

/** Throws where an executable is not what it has to be, seen from outside. */
function inspect(path: string, { platform, bun }: { platform: Platform; bun: string }): void {
  // What Bun itself holds says nothing of this computer.
  const own = readFileSync(bun);
  const forbidden = [root, `${homedir()}/`].filter((text) => !own.includes(text));
  const troubles = troublesOf(readFileSync(path), platform, { forbidden });
  if (troubles.length > 0) throw new Error(`${executableName(platform)}: ${troubles.join("; ")}`);
}

/** Whether an executable is for this very computer. */
function canStart({ os, arch, libc = "glibc" }: Platform): boolean {
  return os === process.platform && arch === process.arch && (os !== "linux" || existsSync(loaders[`${arch}-${libc}`]));
}

function startHere(path: string, version: string): void {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8", env: { PATH: "", HOME: "/nonexistent" } });
  if (stdout?.trim() !== `gpu ${version}`) throw new Error(`\`${path} --version\` says \`${stdout}\``);
}
