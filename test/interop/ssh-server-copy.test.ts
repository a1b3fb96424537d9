import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testWith } from "../needs.ts";
import { openServer, runProgram } from "./openssh.ts";
import { connect, type Session } from "../../src/ssh/session.ts";
import { realWorld } from "./sshd.ts";
import { copy, harvest, here, oddFiles, openContext, plant, sync, there } from "./transfer-fixture.ts";

let server: Awaited<ReturnType<typeof openServer>>;
let local: string;
beforeAll(async () => {
  server = await openServer();
  local = join(server.folder, "local");
  mkdirSync(local);
});
afterAll(() => server[Symbol.asyncDispose]());

async function openSession(): Promise<Session> {
  return await connect({
    world: realWorld,
    address: { host: "127.0.0.1", port: server.port, user: "gpu" },
    privateKey: readFileSync(join(server.folder, "client-key"), "utf8"),
    hostKey: readFileSync(join(server.folder, "known_hosts"), "utf8").trim().split(" ").slice(1).join(" "),
  });
}

/** scp follows links. */
const withoutLinks = Object.fromEntries(Object.entries(oddFiles).filter(([, content]) => !content.startsWith("->")));

for (const [protocol, flag] of [["its own protocol", "-O"], ["SFTP", "-s"]] as const) {
  test(`scp -r -p copies a tree of odd names both ways over ${protocol}`, async () => {
    const from = join(local, `tree${flag}`);
    plant(from, withoutLinks);
    // scp refuses names with a newline by itself.
    for (const name of ["new\nline", "new\nline2"]) rmSync(join(from, name), { recursive: true });
    chmodSync(join(from, "empty folder"), 0o555);
    expect(await server.scp([flag, "-r", "-p", from, "machine:"])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(harvest(join(server.home, `tree${flag}`))).toEqual(harvest(from));
    const back = join(local, `back${flag}`);
    expect(await server.scp([flag, "-r", "-p", `machine:tree${flag}`, back])).toMatchObject({ code: 0, stderr: "" });
    expect(harvest(back)).toEqual(harvest(from));
  });
}

test("sftp goes on with what was interrupted, both ways, and copies folders", async () => {
  const content = randomBytes(20 * 2 ** 20);
  writeFileSync(join(local, "long"), content);
  writeFileSync(join(server.home, "long"), content.subarray(0, 7_000_001));
  expect(await server.sftp([`reput ${local}/long long`])).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(join(server.home, "long")).equals(content)).toBe(true);
  truncateSync(join(local, "long"), 3_333_333);
  expect(await server.sftp([`reget long ${local}/long`])).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(join(local, "long")).equals(content)).toBe(true);
  plant(join(local, "folder"), { "a": "1", "b/c": "2" });
  expect(await server.sftp([`put -Rp ${local}/folder`, `get -Rp folder ${local}/folder-back`])).toMatchObject({
    code: 0,
  });
  expect(harvest(join(local, "folder-back"))).toEqual(harvest(join(local, "folder")));
});

testWith("rsync")("rsync copies a tree of odd names both ways, its changes, and deletes", async () => {
  const from = join(local, "rsync");
  plant(from, oddFiles);
  writeFileSync(join(from, "long"), randomBytes(5 * 2 ** 20));
  const rsync = (...words: string[]) => runProgram(["rsync", "-a", "-e", `ssh -F ${server.config}`, ...words]);
  expect(await rsync(`${from}/`, "machine:rsync")).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(harvest(join(server.home, "rsync"))).toEqual(harvest(from));
  appendFileSync(join(from, "long"), "more");
  rmSync(join(from, "plain"));
  expect(await rsync("--delete", "--partial", "--inplace", `${from}/`, "machine:rsync")).toMatchObject({
    code: 0,
    stderr: "",
  });
  expect(harvest(join(server.home, "rsync"))).toEqual(harvest(from));
  expect(await rsync("machine:rsync/", join(local, "rsync-back"))).toMatchObject({ code: 0, stderr: "" });
  expect(harvest(join(local, "rsync-back"))).toEqual(harvest(from));
});

test("our own copies work with it as with OpenSSH's", async () => {
  const from = join(local, "ours");
  plant(from, oddFiles);
  await using session = await openSession();
  await using up = await there(session, "ours");
  await copy([here(from)], up);
  expect(harvest(join(server.home, "ours"))).toEqual(harvest(from));
  await copy([up], here(join(local, "ours-back")));
  expect(harvest(join(local, "ours-back"))).toEqual(harvest(from));
  expect(await sync(openContext(local), session, { dir: "ours", to: "ours" })).toMatchObject({ files: 0, same: 17 });
  expect(await sync(openContext(local), session, { dir: "synced", to: "ours", pull: true })).toMatchObject({
    skipped: [],
  });
  expect(harvest(join(local, "synced"))).toEqual(harvest(from));
});
