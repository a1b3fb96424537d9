import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openServer } from "./openssh.ts";

let server: Awaited<ReturnType<typeof openServer>>;
let local: string;
beforeAll(async () => {
  server = await openServer();
  local = join(server.folder, "local");
  mkdirSync(local);
});
afterAll(() => server[Symbol.asyncDispose]());

const hash = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

for (const [mode, flags] of [["its own protocol", ["-O"]], ["SFTP", ["-s"]]] as const) {
  test(`scp copies both ways over ${mode}`, async () => {
    const from = join(local, `from${flags[0]}`);
    writeFileSync(from, randomBytes(5_000_001));
    chmodSync(from, 0o640);
    utimesSync(from, 1_600_000_000, 1_600_000_000);
    expect(await server.scp([...flags, "-p", from, `machine:up${flags[0]}`])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    const up = join(server.home, `up${flags[0]}`);
    expect(hash(up)).toBe(hash(from));
    expect(statSync(up).mode & 0o777).toBe(0o640);
    expect(statSync(up).mtimeMs).toBe(1_600_000_000_000);

    const back = join(local, `back${flags[0]}`);
    expect((await server.scp([...flags, `machine:up${flags[0]}`, back])).code).toBe(0);
    expect(hash(back)).toBe(hash(from));
  });

  test(`scp over ${mode} cuts a longer file that it overwrites`, async () => {
    writeFileSync(join(server.home, "long"), "x".repeat(100_000));
    writeFileSync(join(local, "short"), "short");
    expect((await server.scp([...flags, join(local, "short"), "machine:long"])).code).toBe(0);
    expect(readFileSync(join(server.home, "long"), "utf8")).toBe("short");
  });

  test(`scp copies a folder over ${mode}`, async () => {
    mkdirSync(join(local, "tree/inner"), { recursive: true });
    writeFileSync(join(local, "tree/inner/empty"), "");
    writeFileSync(join(local, "tree/a b"), "spaces");
    expect((await server.scp([...flags, "-r", join(local, "tree"), `machine:tree${flags[0]}`])).code).toBe(0);
    expect(readFileSync(join(server.home, `tree${flags[0]}/a b`), "utf8")).toBe("spaces");
    expect(existsSync(join(server.home, `tree${flags[0]}/inner/empty`))).toBe(true);
  });
}

test("sftp puts, lists, renames, links, gets and removes", async () => {
  writeFileSync(join(local, "a"), "content\n");
  const { code, stdout, stderr } = await server.sftp([
    `put ${local}/a a`,
    "mkdir d",
    "rename a d/b",
    "ln -s b d/link",
    "ln d/b d/hard",
    "chmod 600 d/b",
    "ls -1 d",
    "pwd",
    `get d/link ${local}/got`,
    "rm d/b",
    "rm d/link",
    "rm d/hard",
    "rmdir d",
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const answers = stdout.split("\n").filter((line) => !line.startsWith("sftp>") && line !== "");
  expect(answers).toEqual(["d/b", "d/hard", "d/link", `Remote working directory: ${server.home}`]);
  expect(readFileSync(join(local, "got"), "utf8")).toBe("content\n");
  expect(existsSync(join(server.home, "d"))).toBe(false);
});

test("sftp says what went wrong", async () => {
  const missing = await server.sftp(["get nothing"]);
  expect(missing.code).toBe(1);
  expect(missing.stderr).toContain("not found");
  mkdirSync(join(server.home, "full"));
  writeFileSync(join(server.home, "full/x"), "");
  writeFileSync(join(server.home, "plain-file"), "");
  expect((await server.sftp(["rmdir full"])).code).toBe(1);
  expect((await server.sftp(["mkdir full"])).code).toBe(1);
  expect((await server.sftp(["rename full plain-file", "rename nothing else"])).code).toBe(1);
});

test("a name that is not UTF-8 survives", async () => {
  const { stdout } = await server.ssh(["machine", "printf x > $'odd-\\xff\\xfe'; echo made"]);
  expect(stdout).toBe("made\n");
  expect((await server.sftp([`get odd-* ${local}/plain`, "rm odd-*"])).code).toBe(0);
  expect(readFileSync(join(local, "plain"), "utf8")).toBe("x");
});

test("a folder with many files is listed whole", async () => {
  mkdirSync(join(server.home, "many"));
  for (let number = 0; number < 450; number++) writeFileSync(join(server.home, `many/${number}`), "");
  const { stdout } = await server.sftp(["ls -1 many"]);
  expect(stdout.split("\n").filter((line) => line.startsWith("many/"))).toHaveLength(450);
});
