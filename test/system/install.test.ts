import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeInstallers } from "../../scripts/releases/installers.ts";
import { ReleaseServer } from "../fake/release-server.ts";

const platform = `linux-${process.arch}`;
/** A release whose executable knows as much as the installer asks for. */
const script = (version: string) =>
  `#!/bin/sh\ncase $1 in --version) echo gpu ${version} ;; completion) echo "# $2" ;; status) mkdir -p "$HOME/.local/state/gpu"; cat "$HOME/answer" 2>/dev/null || echo "[]" ;; esac\n`;
const always = "sh uname mktemp awk mkdir chmod mv rm ln dirname basename readlink rmdir cat cut tail tar xz grep"
  .split(" ");

let folder: string;
let home: string;
let server: ReleaseServer;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-install-"));
  server = new ReleaseServer({ folder: join(folder, "made"), platform });
  server.release("1.0.0", script("1.0.0"));
  server.release("1.1.0", script("1.1.0"));
  writeInstallers(folder, { url: server.url, key: server.key });
});
afterAll(() => {
  server[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  server.trouble = "none";
  home = mkdtempSync(join(folder, "home-"));
});

/** Runs the installer as `curl … | sh -s -- …` does, with these programs and no other. */
async function install(
  words: readonly string[] = [],
  programs = ["curl", "sha256sum", "ssh-keygen"],
  path = "",
  env: Readonly<Record<string, string>> = {},
  mask = "022",
  installer = "install.sh",
) {
  const bin = mkdtempSync(join(folder, "bin-"));
  for (const name of [...always, ...programs]) symlinkSync(Bun.which(name) ?? `/missing/${name}`, join(bin, name));
  const child = Bun.spawn(["/bin/sh", "-c", `umask ${mask}; exec /bin/sh -s -- "$@"`, "sh", ...words], {
    stdin: Bun.file(join(folder, installer)),
    stdout: "pipe",
    stderr: "pipe",
    env: { HOME: home, PATH: path === "" ? bin : `${path}:${bin}`, SHELL: "/bin/bash", ...env },
    cwd: home,
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode: await child.exited, stdout, stderr };
}

const installed = () => join(home, ".local/bin/gpu");
const versionNow = () => Bun.spawnSync([installed(), "--version"]).stdout.toString().trim();

test("it installs the newest release, says what it did and how to undo it", async () => {
  const { exitCode, stdout, stderr } = await install();
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(versionNow()).toBe("gpu 1.1.0");
  expect(stdout).toContain("the signature is right");
  expect(stdout).toContain(`installed gpu 1.1.0 as ${installed()}`);
  expect(stdout).toContain("is not on your PATH");
  expect(stdout).toContain("--uninstall");
  expect(readFileSync(join(home, ".local/share/bash-completion/completions/gpu"), "utf8")).toBe("# bash\n");
  expect(readdirSync(join(home, ".local/bin"))).toEqual(["gpu"]);
});

test("a second run puts another version in its place", async () => {
  await install(["--version", "1.0.0"]);
  expect(versionNow()).toBe("gpu 1.0.0");
  const { stdout } = await install([], undefined, join(home, ".local/bin"));
  expect(stdout).toContain("installed gpu 1.1.0");
  expect(stdout).toContain("in the place of gpu 1.0.0");
  expect(stdout).not.toContain("is not on your PATH");
});

test("links are made where they are asked for, and not over what is somebody else's", async () => {
  mkdirSync(join(home, ".local/bin"), { recursive: true });
  writeFileSync(join(home, ".local/bin/ci"), "mine");
  const { stdout } = await install(["--links"]);
  expect(stdout).toContain("no link was made");
  expect(readFileSync(join(home, ".local/bin/ci"), "utf8")).toBe("mine");
  expect(Bun.spawnSync([join(home, ".local/bin/gpu-session"), "--version"]).stdout.toString()).toBe("gpu 1.1.0\n");
});

test("wget does where there is no curl, and what has neither says so", async () => {
  expect((await install([], ["wget", "sha256sum"])).exitCode).toBe(0);
  expect(versionNow()).toBe("gpu 1.1.0");
  expect((await install([], ["sha256sum"])).stderr).toContain("needs curl or wget");
});

test("without ssh-keygen it says that the signature was not checked", async () => {
  expect((await install([], ["curl", "sha256sum"])).stdout).toContain("the signature was not checked");
});

const troubles = [
  ["cut", /checksum|cannot download/],
  ["changed", /the checksum of .* is wrong/],
  ["stranger", /the signature of the checksums is wrong/],
  ["missing", /cannot download/],
] as const;
test.each(troubles)("what is %s is not installed, and what was there stays", async (trouble, says) => {
  await install(["--version=1.0.0"]);
  server.trouble = trouble;
  const { exitCode, stderr } = await install();
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(says);
  expect(versionNow()).toBe("gpu 1.0.0");
  expect(readdirSync(join(home, ".local/bin"))).toEqual(["gpu"]);
});

test("another version than was asked for is not installed, whoever signed it", async () => {
  server.trouble = "other";
  const { exitCode, stderr } = await install(["--version=1.0.0"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("/v1.0.0 is gpu 1.1.0\nhint: nothing was installed; do not trust this server");
  expect(readdirSync(join(home, ".local/bin"))).toEqual([]);
});

test("a computer that there is no executable for is told so", async () => {
  const fake = mkdtempSync(join(folder, "fake-"));
  writeFileSync(join(fake, "uname"), '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo riscv64\n', { mode: 0o755 });
  const { exitCode, stderr } = await install([], undefined, fake);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("there is no executable for the processor riscv64");
  expect(existsSync(installed())).toBe(false);
});

test.each([
  ["musl alone", ["lib/ld-musl-x86_64.so.1"], `${platform}-musl`],
  [
    "musl beside glibc",
    ["lib/ld-musl-x86_64.so.1", "lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"],
    platform,
  ],
  ["glibc alone", ["lib64/ld-linux-x86-64.so.2"], platform],
])("a computer with %s is given what runs there", async (name, loaders, wanted) => {
  const root = mkdtempSync(join(folder, "root-"));
  for (const loader of loaders) {
    mkdirSync(join(root, loader, ".."), { recursive: true });
    writeFileSync(join(root, loader), "");
  }
  const text = readFileSync(join(folder, "install.sh"), "utf8");
  const elsewhere = text.replace(/(?<= )\/lib(?:64)?\/ld-/g, (path) => `${root}${path}`);
  expect(elsewhere.split(root)).toHaveLength(4);
  writeFileSync(join(folder, `${name}.sh`), elsewhere);
  const { stdout, stderr } = await install([], undefined, "", {}, "022", `${name}.sh`);
  expect(`${stdout}${stderr}`).toMatch(new RegExp(`gpu-${wanted}\\.tar\\.xz\\b`));
  expect(stdout.includes("installed gpu 1.1.0")).toBe(wanted === platform);
});

// Only root may mount a small disk.
test.skipIf(process.getuid?.() !== 0)("a disk without room is named, and nothing is left on it", async () => {
  const small = join(home, "small");
  mkdirSync(small);
  expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=16k", "none", small]).exitCode).toBe(0);
  try {
    server.release("2.0.0", script("2.0.0") + `# ${"x".repeat(200_000)}`);
    const { exitCode, stderr } = await install(["--to", small]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("is there space left?");
    expect(readdirSync(small)).toEqual([]);
  } finally {
    server.release("1.1.0", script("1.1.0"));
    Bun.spawnSync(["umount", small]);
  }
});

test("a flag that does not exist is an error", async () => {
  expect((await install(["--fast"])).stderr).toContain("there is no flag `--fast`");
});

test("`--help` says which flags there are, and installs nothing", async () => {
  const { exitCode, stdout } = await install(["--help"]);
  expect(exitCode).toBe(0);
  for (const flag of ["--to DIR", "--version V", "--links", "--no-completion", "--uninstall", "--purge"]) {
    expect(stdout).toContain(flag);
  }
  expect(readdirSync(home)).toEqual([]);
});

test("`--purge` alone is refused: who types it wants nothing installed", async () => {
  expect((await install(["--purge"])).stderr).toContain("`--purge` goes with `--uninstall`");
  expect(readdirSync(home)).toEqual([]);
});

test("an empty folder is none, and a slash at its end makes no other", async () => {
  expect((await install(["--to", ""])).stderr).toContain("`--to` needs a folder");
  const bin = join(home, "bin");
  const { stdout } = await install(["--to", `${bin}/`], undefined, bin);
  expect(stdout).toContain(`as ${bin}/gpu\n`);
  expect(stdout).not.toContain("PATH");
});

test("it does not promise Tab in bash where nothing loads what it wrote", async () => {
  const { stdout } = await install();
  const isThere = ["/usr", "/usr/local", "/opt/homebrew"]
    .some((prefix) => existsSync(`${prefix}/share/bash-completion/bash_completion`));
  expect(stdout.includes("there is no package bash-completion here")).toBe(!isThere);
});

test("it is taken away again with all that was installed; settings stay unless purged", async () => {
  await install(["--links"]);
  mkdirSync(join(home, ".config/gpu"), { recursive: true });
  writeFileSync(join(home, ".config/gpu/config.yaml"), "profile: default\n");
  const { stdout } = await install(["--uninstall"]);
  expect(stdout).toContain(`left: ${home}/.config/gpu`);
  expect(existsSync(join(home, ".local"))).toBe(false);
  await install(["--uninstall", "--purge"]);
  expect(readdirSync(home)).toEqual([]);
});

test("one that never ran leaves nothing when it is taken away, and a second time says that there is none", async () => {
  await install();
  await install(["--uninstall"]);
  expect(readdirSync(home)).toEqual([]);
  expect((await install(["--uninstall"])).stdout).toBe(`there is no gpu in ${home}/.local/bin\n`);
});

test("on macOS, and where a path has a space, settings are found too", async () => {
  home = join(home, "of me");
  const settings = join(home, "Library/Application Support/gpu");
  for (const path of [settings, join(home, "Library/Caches/gpu")]) mkdirSync(path, { recursive: true });
  const fake = mkdtempSync(join(folder, "fake-"));
  writeFileSync(join(fake, "uname"), "#!/bin/sh\necho Darwin\n", { mode: 0o755 });
  const { stdout } = await install(["--uninstall"], undefined, fake);
  expect(stdout.split(`left: ${settings} `)).toHaveLength(2);
  await install(["--uninstall", "--purge"], undefined, fake);
  expect([settings, join(home, "Library/Caches/gpu")].filter((path) => existsSync(path))).toEqual([]);
});

test("it is not taken away while something is rented", async () => {
  await install();
  mkdirSync(join(home, ".local/state/gpu"), { recursive: true });
  writeFileSync(join(home, "answer"), '[{\n  "id": "i-1"\n}]\n');
  const { exitCode, stderr } = await install(["--uninstall"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("something is still rented (1)");
  expect(existsSync(installed())).toBe(true);
});

test.each([
  ["one of the providers does not answer", "echo '[]'; echo 'warning: lambda could not be asked: no route' >&2"],
  ["gpu does not start", "exit 127"],
])("it is not taken away where it cannot be told whether something is rented: %s", async (_, status) => {
  await install();
  mkdirSync(join(home, ".local/state/gpu"), { recursive: true });
  writeFileSync(installed(), `#!/bin/sh\n${status}\n`, { mode: 0o755 });
  const { exitCode, stderr } = await install(["--uninstall"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("error: cannot tell whether something is rented");
  expect(stderr).toContain(`hint: where nothing is: rm ${installed()}, and this again`);
  expect(existsSync(installed())).toBe(true);
  rmSync(installed());
  expect((await install(["--uninstall", "--purge"])).exitCode).toBe(0);
  expect(readdirSync(home)).toEqual([]);
});

test("a folder that is called gpu is neither installed into nor taken away", async () => {
  mkdirSync(installed(), { recursive: true });
  writeFileSync(join(installed(), "precious"), "mine");
  const { exitCode, stderr } = await install();
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: `error: \`${installed()}\` is a folder\nhint: \`--to\` names another place\n`,
  });
  mkdirSync(join(home, ".local/share/bash-completion/completions/gpu"), { recursive: true });
  expect((await install(["--uninstall"])).stdout).toContain(`left: ${installed()} is a folder`);
  expect(readdirSync(installed())).toEqual(["precious"]);
  expect(existsSync(join(home, ".local/share/bash-completion/completions/gpu"))).toBe(true);
});

test("without a HOME that is absolute nothing is done; relative folders of XDG are not taken, as by gpu itself", async () => {
  for (const HOME of ["", "here"]) {
    const { exitCode, stderr } = await install(["--uninstall"], undefined, "", { HOME });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`error: \`HOME\` is "${HOME}", which is no absolute path`);
  }
  mkdirSync(join(home, "here/gpu"), { recursive: true });
  const xdg = Object.fromEntries(["CONFIG", "STATE", "CACHE", "DATA"].map((name) => [`XDG_${name}_HOME`, "here"]));
  await install([], undefined, "", xdg);
  expect(existsSync(join(home, ".local/share/bash-completion/completions/gpu"))).toBe(true);
  await install(["--uninstall", "--purge"], undefined, "", xdg);
  expect(readdirSync(home)).toEqual(["here"]);
  expect(readdirSync(join(home, "here"))).toEqual(["gpu"]);
});

test("a path may have a line break, a backslash and a quote", async () => {
  home = join(home, "a\\b\n'c d");
  mkdirSync(home);
  const { exitCode, stdout, stderr } = await install(["--to", join(home, "my bin")]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain(`--uninstall --to '${join(home, "my bin").replace("'", "'\\''")}'\n`);
  expect((await install(["--uninstall", "--to", join(home, "my bin")])).exitCode).toBe(0);
  expect(readdirSync(home)).toEqual([]);
  expect((await install(["--to", ""])).stderr).toContain("`--to` needs a folder");
});

test.each(["000", "777"])("with umask %s only this user may write what is installed, and read it", async (mask) => {
  const { exitCode } = await install([], undefined, "", {}, mask);
  expect(exitCode).toBe(0);
  for (const name of readdirSync(home, { recursive: true, encoding: "utf8" })) {
    const { mode } = statSync(join(home, name));
    expect({ name, owner: mode & 0o600, others: mode & 0o022 }).toEqual({ name, owner: 0o600, others: 0 });
  }
});

test("where its output goes nowhere, nothing half-done is left", async () => {
  const command = `sh '${join(folder, "install.sh")}' | true`;
  await Bun.spawn(["bash", "-o", "pipefail", "-c", command], {
    env: { HOME: home, PATH: process.env.PATH, SHELL: "/bin/bash" },
    stderr: "ignore",
  }).exited;
  expect(readdirSync(join(home, ".local/bin")).filter((name) => name.startsWith("."))).toEqual([]);
});

test("what a killed one left is taken away with the rest", async () => {
  await install();
  for (const name of [".gpu-install.abcdef", ".gpu-upgrade-abcdef"]) {
    mkdirSync(join(home, ".local/bin", name));
    writeFileSync(join(home, ".local/bin", name, "gpu"), "half");
  }
  await install(["--uninstall"]);
  expect(readdirSync(home)).toEqual([]);
});

test("a folder outside of HOME stays, also when nothing is left in it", async () => {
  const outside = mkdtempSync(join(folder, "outside-"));
  for (const name of ["bin", "state"]) mkdirSync(join(outside, name));
  await install(["--to", join(outside, "bin")]);
  await install(["--uninstall", "--to", join(outside, "bin")]);
  expect(readdirSync(outside).toSorted()).toEqual(["bin", "state"]);
  expect(readdirSync(join(outside, "bin"))).toEqual([]);
});

test("completions that cannot be written are a warning: what was installed is installed", async () => {
  mkdirSync(join(home, ".local/share/bash-completion/completions/gpu"), { recursive: true });
  const { exitCode, stdout, stderr } = await install();
  expect({ exitCode, stderr }).toEqual({
    exitCode: 0,
    stderr:
      `warning: cannot write \`${home}/.local/share/bash-completion/completions/gpu\`; Tab completes nothing yet\n`,
  });
  expect(stdout).toContain("next: gpu start");
});

test("a download may not go on for ever: neither in time nor in size, nor from https to http", async () => {
  const fake = mkdtempSync(join(folder, "fake-"));
  const words = join(home, "words");
  writeFileSync(join(fake, "curl"), `#!/bin/sh\n{ ulimit -f; echo "$*"; } >>"${words}"\nexit 7\n`, { mode: 0o755 });
  await install([], undefined, fake, { GPU_RELEASE_URL: "https://127.0.0.1:1" });
  const [limit, asked] = readFileSync(words, "utf8").split("\n");
  expect(Number(limit)).toBeLessThan(2 ** 22);
  expect(asked).toContain("--speed-limit 1000 --speed-time 30 ");
  expect(asked).toContain("--proto-redir =https ");
});

test("another gpu that comes before it on PATH is named", async () => {
  const fake = mkdtempSync(join(folder, "fake-"));
  writeFileSync(join(fake, "gpu"), "#!/bin/sh\n", { mode: 0o755 });
  const says = `\`gpu\` is still ${fake}/gpu: it comes before ${home}/.local/bin on your PATH\n`;
  expect((await install([], undefined, `${fake}:${home}/.local/bin`)).stdout).toContain(says);
  expect((await install([], undefined, `${home}/.local/bin:${fake}`)).stdout).not.toContain("still");
  expect((await install([], undefined, fake)).stdout).toContain("is not on your PATH");
});

test("wget says why, as curl does", async () => {
  const { stderr } = await install([], ["wget", "sha256sum"], "", { GPU_RELEASE_URL: `${server.url}/nowhere` });
  expect(stderr).toMatch(/cannot download .*SHA256SUMS: .*404/);
});

test("a release that does not exist is called that, by curl and by wget", async () => {
  const says = `error: there is no release 7.7 at ${server.url}\nhint: without \`--version\` the newest is installed\n`;
  for (const program of ["curl", "wget"]) {
    expect(await install(["--version", "7.7"], [program, "sha256sum"])).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: says,
    });
  }
});

test("on a terminal it is seen how far the download is", async () => {
  let seen = "";
  const { promise: end, resolve } = Promise.withResolvers<void>();
  Bun.spawn(["/bin/sh", join(folder, "install.sh")], {
    env: { HOME: home, PATH: process.env.PATH, GPU_RELEASE_URL: String(server.url) },
    terminal: {
      cols: 80,
      rows: 24,
      data(_, bytes) {
        seen += new TextDecoder().decode(bytes);
        if (seen.includes("next: gpu start")) resolve();
      },
    },
  });
  await end;
  expect(seen).toMatch(/downloading .*\r\n.*#+ +100\.0%/s);
  expect(versionNow()).toBe("gpu 1.1.0");
});

test("the one for Windows knows the same place, key and checks", () => {
  const text = readFileSync(join(folder, "install.ps1"), "utf8");
  expect(text).toContain(`'${server.url}'`);
  expect(text).toContain(`$key = '${server.key}'`);
  expect(text).not.toMatch(/@url@|@key@|\r/);
  const verifies = (script: string) => script.match(/ssh-keygen -Y verify .* -I gpu -n gpu-release/)?.length ?? 0;
  for (const name of ["install.sh", "install.ps1"]) expect(verifies(readFileSync(join(folder, name), "utf8"))).toBe(1);
  // What is checked, and started once, comes before what is put in its place.
  const order = ["$found -ne $listed", "Expand-Archive", "gpu.exe') --version", "Move-Item"].map((part) =>
    text.indexOf(part)
  );
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(order).not.toContain(-1);
});

test.skipIf(Bun.which("shellcheck") === null)("shellcheck finds nothing", () => {
  const { exitCode, stdout } = Bun.spawnSync(["shellcheck", "-s", "sh", join(folder, "install.sh")]);
  expect(stdout.toString()).toBe("");
  expect(exitCode).toBe(0);
});
