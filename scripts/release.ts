/*
 * Makes a release in dist/release: `scripts/release [--dry-run] [--unsigned] [--url URL]`.
 *
 * GPU_RELEASE_KEY  private key of OpenSSH that signs the checksums; its public half goes into every executable, so that
 *                  `gpu upgrade` takes nothing else
 * GPU_RELEASE_URL  where releases are, also compiled in: these files go into its folders `v<version>` and `latest`
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { compile, generateTypes, installPlatforms } from "./build.ts";
import { writeDeb, writeTarXz, writeZip } from "./releases/archives.ts";
import { billOfMaterials, componentsOf } from "./releases/bill-of-materials.ts";
import { publicKeyOf, signChecksums, sumsName, writeChecksums } from "./releases/checksums.ts";
import { debFiles } from "./releases/deb-files.ts";
import { formulaOf } from "./releases/formula.ts";
import { troublesOf } from "./releases/inspect.ts";
import { writeInstallers } from "./releases/installers.ts";
import { signAdHoc } from "./releases/mach-o.ts";
import { notesOf } from "./releases/notes.ts";
import { writeNpmPackages } from "./releases/npm.ts";
import { archiveName, executableName, type Platform, platforms } from "./releases/platforms.ts";
import { type Release, thisRelease } from "./releases/release.ts";
import { root } from "./toolchain.ts";

const folder = join(root, "dist/release");
/** What Debian calls the processors. */
const debArchitectures = { x64: "amd64", arm64: "arm64" } as const;
const { values: flags } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    unsigned: { type: "boolean", default: false },
    url: { type: "string", default: process.env.GPU_RELEASE_URL },
  },
});
const keyPath = process.env.GPU_RELEASE_KEY;
const release = thisRelease();
const debs = platforms.filter(({ os, libc }) => os === "linux" && libc === "glibc");

printPlan(release);
if (flags["dry-run"]) process.exit(0);
if (keyPath === undefined && !flags.unsigned) {
  fail("there is no key: GPU_RELEASE_KEY names a private key of OpenSSH, or `--unsigned` does without one");
}
if (flags.url === undefined) fail("where will the files be? `--url https://…`, or GPU_RELEASE_URL");
await make({ release, url: flags.url.replace(/\/+$/, ""), keyPath: flags.unsigned ? undefined : keyPath });

function printPlan({ version, commit, isDirty, lastTag, subjects }: Release): void {
  const names = [
    ...platforms.flatMap((platform) => [executableName(platform), archiveName(platform)]),
    ...debs.map((platform) => debName(platform)),
    ...[
      "release.json",
      "LICENSE",
      "install.sh",
      "install.ps1",
      "gpu.rb",
      "npm/",
      "sbom.cdx.json",
      "RELEASE-NOTES.md",
      sumsName,
    ],
    ...(flags.unsigned ? [] : [`${sumsName}.sig`]),
  ];
  console.log(`gpu ${version}, commit ${commit.slice(0, 12)}${isDirty ? " and changes that no commit has" : ""}`);
  console.log(`${subjects.length} commits since ${lastTag ?? "the beginning"}`);
  console.log(`into ${folder}:`);
  for (const name of names) console.log(`  ${name}`);
}

async function make(
  { release, url, keyPath }: { release: Release; url: string; keyPath: string | undefined },
): Promise<void> {
  if (release.isDirty) console.error("warning: there are changes that no commit has; they will be in it");
  const startedAt = performance.now();
  const say = (text: string) =>
    console.log(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${text}`);
  const { version, date } = release;
  const key = keyPath === undefined ? undefined : publicKeyOf(keyPath);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const file = (name: string) => join(folder, name);

  const bunFor = installPlatforms();
  generateTypes();
  for (const platform of platforms) {
    const outfile = file(executableName(platform));
    await compile({
      ...{ outfile, target: platform.target, executablePath: bunFor(platform) },
      define: { gpuReleaseKey: JSON.stringify(key ?? ""), gpuReleaseUrl: JSON.stringify(url) },
    });
    if (platform.os === "darwin") writeFileSync(outfile, signAdHoc(readFileSync(outfile), "gpu"));
    // What Bun itself holds says nothing of this computer.
    const bun = readFileSync(bunFor(platform));
    const forbidden = [root, `${homedir()}/`].filter((text) => !bun.includes(text));
    const troubles = troublesOf(readFileSync(outfile), platform, { forbidden });
    if (troubles.length > 0) fail(`${executableName(platform)}: ${troubles.join("; ")}`);
    say(`compiled and looked at ${executableName(platform)}`);
  }
  const started = platforms.filter((platform) =>
    canStart(platform) && startsHere(file(executableName(platform)), version)
  );
  for (const platform of platforms) {
    const source = { path: file(executableName(platform)), date, name: platform.os === "windows" ? "gpu.exe" : "gpu" };
    if (platform.os === "windows") writeZip(file(archiveName(platform)), source);
    else writeTarXz(file(archiveName(platform)), source);
    say(`packed ${archiveName(platform)}`);
  }
  const files = started[0] === undefined ? [] : debFiles(file(executableName(started[0])), date);
  for (const platform of debs) {
    const architecture = debArchitectures[platform.arch];
    const path = file(executableName(platform));
    writeDeb(file(debName(platform)), { path, date, version, architecture, files });
    say(`packed ${debName(platform)}`);
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
  const sizes = names.toSorted().map((name) => ({ name, bytes: statSync(file(name)).size }));
  const notStarted = platforms.filter((platform) => !started.includes(platform)).map(({ name }) => name);
  const notes = notesOf({
    ...{ release, components, files: sizes, isSigned: keyPath !== undefined },
    ...{ started: started.map(({ name }) => name), notStarted },
  });
  writeFileSync(file("RELEASE-NOTES.md"), notes);
  writeChecksums(folder, [...names, "RELEASE-NOTES.md"]);
  if (keyPath !== undefined) signChecksums(folder, keyPath);
  say(`released gpu ${version} into ${folder}`);
}

function debName({ arch }: Platform): string {
  return `gpu_${release.version}_${debArchitectures[arch]}.deb`;
}

/** Whether an executable is for this very computer. */
function canStart({ os, arch, libc }: Platform): boolean {
  return os === process.platform && arch === process.arch &&
    (libc !== "musl" || spawnSync("/lib/ld-musl-x86_64.so.1").status !== null);
}

function startsHere(path: string, version: string): boolean {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8", env: { PATH: "", HOME: "/nonexistent" } });
  if (stdout?.trim() !== `gpu ${version}`) fail(`\`${path} --version\` says \`${stdout}\``);
  return true;
}

function fail(why: string): never {
  console.error(`error: ${why}`);
  process.exit(1);
}
