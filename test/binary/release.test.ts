import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import project from "../../package.json" with { type: "json" };
import { signChecksums, writeChecksums } from "../../scripts/releases/checksums.ts";
import { makeRelease, namesOf } from "../../scripts/releases/make.ts";
import { archiveName, executableName, platforms } from "../../scripts/releases/platforms.ts";
import type { Release } from "../../scripts/releases/release.ts";
import { tinyExecutable } from "../fake/tiny-executables.ts";
import { executable, useCompiled } from "./compiled.ts";

/*
 * A whole release, made as scripts/release makes one, of executables that are tiny: then what its users do with it, and
 * with the real executable where that is the one that works.
 */

const canMake = process.platform === "linux" && process.arch === "x64" && Bun.which("dpkg-deb") !== null;
const versions = ["9.8.0", "9.9.0"] as const;
const newest = versions[1];

let folder: string;
let server: Bun.Server<undefined>;
const at = (...path: readonly string[]) => join(folder, ...path);
const place = (version: string = newest) => at("served", `v${version}`);
const read = (name: string) => readFileSync(join(place(), name), "utf8");
const url = () => `http://127.0.0.1:${server.port}`;

describe.skipIf(!canMake)("a release", () => {
  useCompiled();
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "gpu-release-test-"));
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "maker", "-f", at("key"));
    server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => {
        const path = at("served", new URL(url).pathname.replace(/^\/latest\//, `/v${newest}/`));
        return existsSync(path) ? new Response(Bun.file(path)) : new Response("", { status: 404 });
      },
    });
    for (const version of versions) await make({ version, into: place(version) });
  });
  afterAll(async () => {
    await server?.stop(true);
    rmSync(folder, { recursive: true, force: true });
  });

  test("has the files that were named beforehand, and no other", () => {
    expect(readdirSync(place()).toSorted()).toEqual(namesOf({ version: newest }, { isSigned: true }).toSorted());
  });

  test("has the checksum of every file, and the signature of its key over them", () => {
    const lines = read("SHA256SUMS").trimEnd().split("\n");
    for (const line of lines) {
      const [sum, name = ""] = line.split("  ");
      expect({ name, sum }).toEqual({ name, sum: sha256(join(place(), name)) });
    }
    const summed = namesOf({ version: newest }, { isSigned: false }).filter((name) =>
      !["npm", "SHA256SUMS"].includes(name)
    );
    expect(lines.map((line) => line.split("  ")[1] ?? "")).toEqual(summed.toSorted());
    writeFileSync(at("signers"), `gpu ${readFileSync(at("key.pub"), "utf8")}`);
    const verify = (text: string) =>
      Bun.spawnSync(
        [
          ...["ssh-keygen", "-Y", "verify", "-f", at("signers"), "-I", "gpu", "-n", "gpu-release"],
          ...["-s", join(place(), "SHA256SUMS.sig")],
        ],
        { stdin: Buffer.from(text) },
      ).exitCode;
    expect(verify(read("SHA256SUMS"))).toBe(0);
    expect(verify(`${read("SHA256SUMS")}\n`)).not.toBe(0);
  });

  test("made again it is the same, byte for byte, whatever the computer that makes it is set to", async () => {
    const [zone, mask] = [process.env.TZ, process.umask(0o077)];
    process.env.TZ = "Asia/Tokyo";
    try {
      await make({ version: newest, into: at("again") });
    } finally {
      process.umask(mask);
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
    const files = readdirSync(place(), { recursive: true, encoding: "utf8", withFileTypes: true })
      .filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name).slice(place().length));
    expect(files.length).toBeGreaterThan(30);
    const sums = (top: string) => Object.fromEntries(files.map((name) => [name, sha256(join(top, name))]));
    expect(sums(at("again"))).toEqual(sums(place()));
  });

  test("says what is compiled in, under which licences, and what was never started", () => {
    const { components } = JSON.parse(read("sbom.cdx.json"));
    const names = components.map(({ name }: { name: string }) => name);
    for (const name of ["bun", "zod", "ssh2"]) expect(names).toContain(name);
    expect(components.filter(({ licenses }: { licenses: object[] }) => licenses.length === 0)).toEqual([]);
    const notes = read("RELEASE-NOTES.md");
    expect(notes).toContain("\n- What is new, as its commit says it\n");
    expect(notes).toContain("\n- Started and tested: `linux-x64`");
    for (const name of ["darwin-arm64", "windows-x64", "linux-arm64-musl"]) {
      expect(notes).toContain(`\n- \`${name}\` was built and looked at from outside, and never started.\n`);
    }
    expect(notes).not.toContain("Nobody signed");
    for (const name of names) expect(notes).toContain(`| ${name} |`);
    expect(notes).not.toContain(folder);
  });

  test("has archives with the executable and the licence, owned by nobody of this computer", () => {
    const date = "2026-01-02 03:04";
    for (const platform of platforms.filter(({ os }) => os !== "windows")) {
      const listed = run("tar", "--utc", "-tvf", join(place(), archiveName(platform)));
      expect(listed.split("\n").map((line) => line.split(/\s+/))).toEqual([
        ["-rw-r--r--", "0/0", expect.any(String), ...date.split(" "), "LICENSE"],
        ["-rwxr-xr-x", "0/0", expect.any(String), ...date.split(" "), "gpu"],
        [""],
      ]);
    }
    expect(run("unzip", "-l", join(place(), "gpu-windows-x64.zip"))).toMatch(/2026-01-02 03:04 +LICENSE\n.* gpu\.exe/);
  });

  test("has packages for Debian that everybody may read", () => {
    const deb = join(place(), `gpu_${newest}_amd64.deb`);
    expect(run("dpkg-deb", "--field", deb, "Package", "Version", "Architecture")).toBe(
      `Package: gpu\nVersion: ${newest}\nArchitecture: amd64\n`,
    );
    const entries = run("dpkg-deb", "--contents", deb).trimEnd().split("\n").map((line) => line.split(/\s+/));
    for (const [mode = "", owner, , , , name = ""] of entries) {
      const expected = mode.startsWith("d") || name === "./usr/bin/gpu" ? "rwxr-xr-x" : "rw-r--r--";
      expect({ name, owner, mode: mode.slice(1) }).toEqual({ name, owner: "root/root", mode: expected });
    }
    const names = entries.map((entry) => entry[5]).filter((name) => !name?.endsWith("/"));
    expect(names.toSorted()).toEqual([
      "./usr/bin/gpu",
      "./usr/share/bash-completion/completions/gpu",
      "./usr/share/doc/gpu/copyright",
      "./usr/share/fish/vendor_completions.d/gpu.fish",
      "./usr/share/man/man1/gpu.1.gz",
      "./usr/share/zsh/vendor-completions/_gpu",
    ]);
    run("dpkg-deb", "--extract", deb, at("deb"));
    expect(run(at("deb/usr/bin/gpu"))).toBe(`gpu ${newest}\n`);
  });

  test("has a formula whose checksums are those of its archives", () => {
    const formula = read("gpu.rb");
    const pairs = [...formula.matchAll(/url "([^"]+)"\n\s+sha256 "([0-9a-f]+)"/g)];
    expect(pairs).toHaveLength(4);
    for (const [, from = "", sum] of pairs) {
      expect(from).toStartWith(`${url()}/v${newest}/`);
      expect(sum).toBe(sha256(join(place(), from.split("/").at(-1) ?? "")));
    }
    expect(formula).toContain(`version "${newest}"`);
  });

  // What installs them may be Node, and what runs the tests is Bun.
  const runtimes = [process.execPath, ...(Bun.which("node") === null ? [] : ["node"])];
  test.each(runtimes)("has packages of npm, of which %s starts the one for this computer", (runtime) => {
    const modules = at("npm/node_modules/@gpu-cli");
    rmSync(at("npm"), { recursive: true, force: true });
    for (const name of ["gpu", "linux-x64"]) {
      cpSync(join(place(), "npm", name), join(modules, name), { recursive: true });
    }
    const launch = () => Bun.spawnSync([runtime, join(modules, "gpu/gpu.js"), "--version"]);
    expect(launch().stdout.toString()).toBe(`gpu ${newest}\n`);
    const { optionalDependencies, scripts } = JSON.parse(readFileSync(join(modules, "gpu/package.json"), "utf8"));
    expect(scripts).toBeUndefined();
    expect(optionalDependencies).toEqual(
      Object.fromEntries(platforms.map(({ name }) => [`@gpu-cli/${name}`, newest])),
    );
    for (const name of Object.keys(optionalDependencies)) {
      const own = JSON.parse(readFileSync(join(place(), "npm", name.split("/")[1] ?? "", "package.json"), "utf8"));
      expect({ name: own.name, version: own.version }).toEqual({ name, version: newest });
    }

    const manifest = readFileSync(join(modules, "linux-x64/package.json"), "utf8");
    writeFileSync(join(modules, "linux-x64/package.json"), manifest.replace("{", '{ "exports": {},'));
    // Bun takes it for one that is not there.
    if (runtime === "node") expect(launch().stderr.toString()).toContain("ERR_PACKAGE_PATH_NOT_EXPORTED");
    writeFileSync(join(modules, "linux-x64/package.json"), manifest);
    chmodSync(join(modules, "linux-x64/bin/gpu"), 0o644);
    expect(launch().stderr.toString()).toContain("gpu: cannot start ");
    rmSync(join(modules, "linux-x64"), { recursive: true });
    expect(launch()).toMatchObject({ exitCode: 1 });
    expect(launch().stderr.toString()).toContain("there is no executable for linux-x64");
  });

  test("is not made of what does not start here, or looks wrong", async () => {
    const make1 = (compile: Parameters<typeof makeRelease>[0]["compile"]) =>
      makeRelease({ ...parts("1.0.0", at("wrong")), compile });
    await expect(make1(async ({ platform, outfile }) => {
      writeFileSync(outfile, tinyExecutable(platform, { says: "gpu 1.0.1\n" }), { mode: 0o755 });
      return outfile;
    })).rejects.toThrow("--version` says `gpu 1.0.1");
    await expect(make1(async ({ outfile }) => {
      writeFileSync(outfile, tinyExecutable({ os: "linux", arch: "arm64" }, { says: "" }));
      return outfile;
    })).rejects.toThrow("gpu-linux-x64: it is for the machine 183, not for x64");
  });

  describe("used", () => {
    let home: string;
    const installed = () => join(home, ".local/bin/gpu");
    const versionNow = () => run(installed(), "--version").trim();
    beforeEach(() => {
      home = mkdtempSync(at("home-"));
    });

    /** Runs something that asks the server, which is in this process. */
    async function use(command: readonly string[], stdin: "ignore" | Bun.BunFile = "ignore") {
      const child = Bun.spawn([...command], {
        ...{ stdin, stdout: "pipe", stderr: "pipe", cwd: home },
        env: { HOME: home, PATH: process.env.PATH, SHELL: "/bin/bash", GPU_RELEASE_URL: url() },
      });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      return { exitCode: await child.exited, stdout, stderr };
    }

    /** As `curl … | sh -s -- …`, in an empty HOME. */
    const install = (...words: readonly string[]) =>
      use(["/bin/sh", "-s", "--", ...words], Bun.file(join(place(), "install.sh")));

    test("it is installed, another one in its place, and taken away again", async () => {
      const first = await install("--version", versions[0]);
      expect(first).toMatchObject({ exitCode: 0, stderr: "" });
      expect(first.stdout).toContain("the signature is right");
      expect(versionNow()).toBe(`gpu ${versions[0]}`);
      expect((await install()).stdout).toContain(
        `installed gpu ${newest} as ${installed()}, in the place of gpu ${versions[0]}`,
      );
      expect(await install("--uninstall")).toMatchObject({ exitCode: 0, stderr: "" });
      expect(readdirSync(home)).toEqual([]);
    });

    /** The real executable, where `gpu upgrade` may replace it. */
    function installReal(): void {
      mkdirSync(join(home, ".local/bin"), { recursive: true });
      copyFileSync(executable, installed());
    }

    const upgrade = (...words: readonly string[]) => use([installed(), "upgrade", ...words]);

    test("`gpu upgrade` goes to it, and what was there is kept", async () => {
      installReal();
      expect((await upgrade("--check")).stdout).toBe(`gpu ${newest} is there; this is ${project.version}\n`);
      expect(await upgrade()).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining(`gpu ${newest}, in the place of`),
      });
      expect(versionNow()).toBe(`gpu ${newest}`);
      expect(run(`${installed()}.previous`, "--version")).toBe(`gpu ${project.version}\n`);
      expect(readdirSync(join(home, ".local/bin")).toSorted()).toEqual(["gpu", "gpu.previous"]);
    });

    test("`gpu upgrade` to one that does not start here changes nothing", async () => {
      cpSync(place(), place("9.9.1"), { recursive: true });
      const platform = { name: "linux-x64", os: "linux", arch: "x64" } as const;
      const broken = join(place("9.9.1"), executableName(platform));
      writeFileSync(broken, tinyExecutable(platform, { says: "gpu 9.9.1\n", exitCode: 3 }));
      rmSync(join(place("9.9.1"), archiveName(platform)));
      writeFileSync(
        join(place("9.9.1"), "release.json"),
        JSON.stringify({ version: "9.9.1", date: "2026-01-02T03:04:05.000Z" }),
      );
      writeChecksums(place("9.9.1"), ["release.json", executableName(platform)]);
      signChecksums(place("9.9.1"), at("key"));

      installReal();
      const { exitCode, stderr } = await upgrade("--to", "9.9.1");
      expect(exitCode).toBe(1);
      expect(stderr).toContain("error: gpu 9.9.1 does not start on this computer\nhint: nothing was changed");
      expect(versionNow()).toBe(`gpu ${project.version}`);
      expect(readdirSync(join(home, ".local/bin"))).toEqual(["gpu"]);
    });
  });
});

const parts = (version: string, into: string): Omit<Parameters<typeof makeRelease>[0], "compile"> => ({
  ...{ release: releaseOf(version), folder: into, url: url(), keyPath: at("key") },
  say() {},
});

async function make({ version, into }: { version: string; into: string }): Promise<void> {
  await makeRelease({
    ...parts(version, into),
    async compile({ platform, outfile }) {
      writeFileSync(outfile, tinyExecutable(platform, { says: `gpu ${version}\n` }));
      chmodSync(outfile, 0o755);
      return outfile;
    },
  });
}

function releaseOf(version: string): Release {
  const subjects = ["What is new, as its commit says it"];
  const [commit, date] = ["0123456789abcdef0123456789abcdef01234567", new Date("2026-01-02T03:04:05Z")];
  return { version, commit, date, isDirty: false, lastTag: undefined, subjects };
}

function run(program: string, ...words: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([program, ...words]);
  if (exitCode !== 0) throw new Error(`${program} ended with ${exitCode}: ${stderr}`);
  return stdout.toString();
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
