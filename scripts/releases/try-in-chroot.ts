/*
 * Takes gpu through its whole life where there is next to nothing: two releases are compiled, signed and served, and in an
 * empty root with only libc and a few programs the first is installed, a recipe run, and the executable upgraded, put back
 * and uninstalled. Nothing may be left. For root on Linux: `bun scripts/releases/try-in-chroot.ts`.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import project from "../../package.json" with { type: "json" };
import { generateEmbedded } from "../build.ts";
import { root } from "../toolchain.ts";
import { writeTarXz } from "./archives.ts";
import { publicKeyOf, signChecksums, writeChecksums } from "./checksums.ts";
import { writeInstallers } from "./installers.ts";
import { archiveName, executableName, platforms } from "./platforms.ts";

const [older, newer] = [project.version, project.version.replace(/\d+$/, (patch) => `${Number(patch) + 1}`)];
/** What the installer calls, and what a machine of the local provider cannot do without. */
const programs =
  "sh uname mktemp awk mkdir chmod mv rm ln dirname basename readlink rmdir cat cut tail tar xz grep sha256sum curl ssh-keygen env"
    .split(" ");
const home = "/home/user";

const folder = mkdtempSync(join(tmpdir(), "gpu-chroot-"));
const jail = join(folder, "root");
let latest = older;
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch({ url }) {
    const path = join(folder, "served", new URL(url).pathname.replace(/^\/latest\//, `/v${latest}/`));
    return existsSync(path) ? new Response(Bun.file(path)) : new Response("", { status: 404 });
  },
});
const place = `http://127.0.0.1:${server.port}`;

try {
  await main();
  console.log("nothing is left");
} catch (error) {
  console.error(error instanceof Error ? `error: ${error.message}` : error);
  process.exitCode = 1;
} finally {
  for (const pid of processesInside()) process.kill(pid, "SIGKILL");
  await run(["umount", join(jail, "proc")]).catch(() => {});
  await server.stop(true);
  if (!existsSync(join(jail, "proc/self"))) rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(folder, "key")]);
  await generateEmbedded();
  for (const version of [older, newer]) await release(version);
  await makeJail();

  const installer = `curl -fsSL ${place}/latest/install.sh | sh`;
  await inside(installer, "the signature is right", `installed gpu ${older} as ${home}/.local/bin/gpu`);
  await inside("gpu --version", `gpu ${older}`);
  await inside("gpu run @hello");
  latest = newer;
  await inside("gpu upgrade --check", `gpu ${newer} is there; this is ${older}`);
  await inside("gpu upgrade", `gpu ${newer}, in the place of ${older}`);
  await inside("gpu --version && gpu.previous --version", `gpu ${newer}\ngpu ${older}`);
  await inside("gpu upgrade", `this is gpu ${newer} already`);
  await inside(`gpu upgrade --to ${older}`, `gpu ${older}, in the place of ${newer}`);
  await inside("gpu --version", `gpu ${older}`);
  await inside("gpu run @hello");
  await inside(`${installer} -s -- --uninstall --purge`, `removed ${home}/.local/bin/gpu`);

  const left = readdirSync(join(jail, home), { recursive: true, encoding: "utf8" });
  const temporary = readdirSync(join(jail, "tmp"));
  // What was told to end may need a moment.
  for (let round = 0; round < 100 && processesInside().length > 0; round++) await Bun.sleep(50);
  const running = processesInside().map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
  const all = [...left.map((path) => `${home}/${path}`), ...temporary.map((path) => `/tmp/${path}`), ...running];
  if (all.length > 0) throw new Error(`left behind: ${all.join(", ")}`);
}

/** Makes the files of a release that this computer asks for. */
async function release(version: string): Promise<void> {
  const platform = platforms.find(({ os, arch, libc }) => os === "linux" && arch === process.arch && libc === "glibc");
  if (platform === undefined) throw new Error(`nothing is released for ${process.platform} on ${process.arch}`);
  const to = join(folder, "served", `v${version}`);
  mkdirSync(to, { recursive: true });
  const [executable, archive] = [executableName(platform), archiveName(platform)];
  const [date, key] = [new Date("2026-01-02T03:04:05Z"), publicKeyOf(join(folder, "key"))];
  await compileAs(version, join(to, executable), {
    gpuReleaseKey: JSON.stringify(key),
    gpuReleaseUrl: JSON.stringify(place),
  });
  writeTarXz(join(to, archive), { path: join(to, executable), date, name: "gpu" });
  writeInstallers(to, { url: place, key });
  writeFileSync(join(to, "release.json"), JSON.stringify({ version, date: date.toISOString() }));
  writeChecksums(to, [executable, archive, "install.sh", "install.ps1", "release.json"]);
  signChecksums(to, join(folder, "key"));
}

/** The version is in package.json and no other place, so another one is compiled from a copy of the sources. */
async function compileAs(version: string, outfile: string, define: Readonly<Record<string, string>>): Promise<void> {
  const copy = join(folder, `sources-${version}`);
  for (const name of ["src", "recipes", "scripts", "dist/types.bin", "dist/test-support.bin"]) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  writeFileSync(join(copy, "package.json"), JSON.stringify({ ...project, version }));
  const script = `import { compile } from "./scripts/build.ts"; await compile(${JSON.stringify({ outfile, define })});`;
  await run([process.execPath, "-e", script], { cwd: copy });
}

/** The programs, what they load, and what every Linux has. */
async function makeJail(): Promise<void> {
  for (const path of ["bin", "tmp", "dev", "proc", "etc", home]) mkdirSync(join(jail, path), { recursive: true });
  chmodSync(join(jail, "tmp"), 0o1777);
  writeFileSync(join(jail, "etc/passwd"), `root:x:0:0::${home}:/bin/sh\n`);
  for (const name of programs) {
    const path = Bun.which(name);
    if (path === null) throw new Error(`there is no ${name}`);
    copyFileSync(realpathSync(path), join(jail, "bin", name));
    for (const library of await librariesOf(path)) copyInto(library);
  }
  // What the executable itself loads.
  for (const library of await librariesOf(process.execPath)) copyInto(library);
  await run(["mknod", "-m", "666", join(jail, "dev/null"), "c", "1", "3"]);
  await run(["mknod", "-m", "666", join(jail, "dev/urandom"), "c", "1", "9"]);
  await run(["mount", "-t", "proc", "none", join(jail, "proc")]);
}

async function librariesOf(path: string): Promise<string[]> {
  const { stdout } = await run(["ldd", path]).catch(() => ({ stdout: "" }));
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, library = ""]) => library);
}

function copyInto(path: string): void {
  mkdirSync(join(jail, dirname(path)), { recursive: true });
  copyFileSync(realpathSync(path), join(jail, path));
}

/** Runs a line in there as the user has it, and throws unless it ends well and says all of these. */
async function inside(line: string, ...expected: readonly string[]): Promise<void> {
  const environment = [`HOME=${home}`, `PATH=${home}/.local/bin:/bin`, "SHELL=/bin/bash"];
  const command = ["chroot", jail, "/bin/env", "-i", ...environment, "/bin/sh", "-c", `cd; ${line}`];
  const { stdout, stderr } = await run(command, { line });
  console.log(`$ ${line}\n${stdout}${stderr}`.trimEnd());
  const missing = expected.filter((text) => !stdout.includes(text));
  if (missing.length > 0) throw new Error(`\`${line}\` does not say \`${missing.join("`, `")}\``);
}

function processesInside(): number[] {
  return readdirSync("/proc").map(Number).filter((pid) => {
    try {
      return pid > 0 && readlinkSync(`/proc/${pid}/root`) === jail;
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

async function run(
  command: readonly string[],
  { cwd = root, line = command.join(" ") }: { cwd?: string; line?: string } = {},
): Promise<{ stdout: string; stderr: string }> {
  const child = Bun.spawn([...command], { cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if (await child.exited !== 0) throw new Error(`\`${line}\` ended with ${child.exitCode}: ${stdout}${stderr}`);
  return { stdout, stderr };
}
