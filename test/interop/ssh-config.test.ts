import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Commands of their own, on a computer that may be busy.
setDefaultTimeout(60_000);

let folder: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-config-"));
  home = folder;
});
afterEach(async () => {
  await gpu("stop", "--all", "--yes");
  // It writes its last words into the folder.
  for (let left = 100; left > 0 && existsSync(join(home, ".local/state/gpu/background.sock")); left--) {
    await Bun.sleep(50);
  }
  rmSync(folder, { recursive: true, force: true });
});

async function run(command: readonly string[]) {
  const child = Bun.spawn([...command], {
    cwd: home,
    env: { HOME: home, PATH: process.env.PATH, GPU_LOCAL_BOOT_MS: "0" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

const gpu = (...args: string[]) => run([process.execPath, join(import.meta.dir, "../../src/main.ts"), ...args]);

/** OpenSSH takes its home from the system, not from the environment. */
const userConfig = () => ["-F", join(home, ".ssh/config")];

test("ssh, scp, sftp and rsync reach an instance by name and by id, with its pinned key", async () => {
  const started = await gpu("start", "--name", "box", "--hours", "0.5", "--json");
  const { id } = JSON.parse(started.stdout);
  expect(await gpu("ssh-config", "--write", "--yes")).toMatchObject({ code: 0 });
  expect(await run(["ssh", ...userConfig(), "box", "echo here; exit 3"])).toEqual({
    code: 3,
    stdout: "here\n",
    stderr: "",
  });
  expect((await run(["ssh", ...userConfig(), id, "true"])).code).toBe(0);
  writeFileSync(join(home, "file"), "content");
  expect((await run(["scp", "-q", ...userConfig(), join(home, "file"), "box:one"])).code).toBe(0);
  expect((await run(["rsync", "-a", "-e", `ssh ${userConfig().join(" ")}`, join(home, "file"), "box:two"])).code).toBe(
    0,
  );
  expect((await run(["sftp", "-q", ...userConfig(), "box:two", join(home, "back")])).code).toBe(0);
  expect(readFileSync(join(home, "back"), "utf8")).toBe("content");
  // Another key on the same address is refused.
  const known = join(home, ".local/state/gpu/ssh/known_hosts");
  writeFileSync(
    known,
    readFileSync(known, "utf8").replace(
      /AAAA\S+/,
      "AAAAC3NzaC1lZDI1NTE5AAAAIFK0v7x1Ld0XHU0Y1Cy0cAmiIlt3lOVfQF8dSMnCYxPS",
    ),
  );
  expect((await run(["ssh", ...userConfig(), "box", "true"])).code).toBe(255);
});

test("it follows instances that come and go, once it was written", async () => {
  await gpu("start", "--name", "one", "--hours", "0.5");
  expect(existsSync(join(home, ".local/state/gpu/ssh"))).toBe(false);
  await gpu("ssh-config", "--write", "--yes");
  await gpu("start", "--name", "two", "--hours", "0.5");
  expect((await run(["ssh", ...userConfig(), "two", "echo two"])).stdout).toBe("two\n");
  await gpu("stop", "one");
  const written = readFileSync(join(home, ".local/state/gpu/ssh/config"), "utf8");
  expect(written).toContain("Host two ");
  expect(written).not.toContain("Host one ");
  expect((await run(["ssh", ...userConfig(), "-o", "ConnectTimeout=2", "one", "true"])).code).toBe(255);
});

test("the user's own configuration keeps all it had, its rights and its link", async () => {
  mkdirSync(join(home, ".ssh"), { mode: 0o700 });
  const own = "# mine\r\nHost a\n\tPort 1 \n\nHost *\n  User \xe4 # no newline at the end";
  writeFileSync(join(home, "real"), Buffer.from(own, "latin1"));
  chmodSync(join(home, "real"), 0o640);
  symlinkSync(join(home, "real"), join(home, ".ssh/config"));
  await gpu("ssh-config", "--write", "--yes");
  await gpu("ssh-config", "--write", "--yes");
  const path = join(home, ".local/state/gpu/ssh/config");
  expect(readFileSync(join(home, "real"), "latin1")).toBe(`Include ${path}\n${own}`);
  expect(statSync(join(home, "real")).mode & 0o777).toBe(0o640);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect((await run(["ssh", ...userConfig(), "-G", "a"])).stdout).toContain("port 1\n");
  expect((await gpu("ssh-config", "--remove")).code).toBe(0);
  expect(readFileSync(join(home, ".ssh/config"), "latin1")).toBe(own);
  expect(existsSync(path)).toBe(false);
});

test("nothing is added to it without consent", async () => {
  expect(await gpu("ssh-config", "--write")).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
  expect([existsSync(join(home, ".ssh")), existsSync(join(home, ".local/state/gpu/ssh"))]).toEqual([false, false]);
});

test("a home with spaces and signs in its name is quoted", async () => {
  home = join(home, 'a b %h "c"');
  mkdirSync(home);
  await gpu("start", "--name", "box", "--hours", "0.5");
  await gpu("ssh-config", "--write", "--yes");
  expect(await run(["ssh", ...userConfig(), "box", "echo here"])).toEqual({ code: 0, stdout: "here\n", stderr: "" });
});
