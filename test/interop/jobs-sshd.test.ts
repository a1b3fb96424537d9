// Jobs on a host with a real OpenSSH server, by processes of gpu that are killed and connections that are cut.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { me, type Person, person } from "./hosts-fixture.ts";
import { killAll } from "./jobs-fixture.ts";
import { type Sshd, startSshd } from "./sshd.ts";

// Each command is a process of its own, on a computer that may be busy.
setDefaultTimeout(20_000);

let sshd: Sshd;
let user: Person;

beforeAll(async () => {
  sshd = await startSshd();
  user = person();
  trust(user);
});

afterAll(async () => {
  killAll(`HOME=${sshd.folder}`);
  await sshd[Symbol.asyncDispose]();
  await user[Symbol.asyncDispose]();
});

function trust(who: Person): void {
  who.write("known_hosts", `[127.0.0.1]:${sshd.address.port} ${sshd.hostKey}\n`);
}

const host = () => ["--host", `${me}@127.0.0.1:${sshd.address.port}`, "--identity", sshd.privateKeyPath];

function start(args: readonly string[], who = user, env: Record<string, string> = {}) {
  return Bun.spawn([process.execPath, join(import.meta.dir, "../../src/main.ts"), ...args], {
    cwd: who.home,
    env: { PATH: process.env.PATH, HOME: who.home, GPU_NO_SHARE: "1", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function gpu(args: readonly string[], who = user, env: Record<string, string> = {}) {
  const child = start(args, who, env);
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code };
}

const detach = async (command: string, ...flags: string[]) => {
  const { stdout, stderr } = await gpu(["exec", "--detach", ...flags, ...host(), "--", command]);
  expect({ stdout, stderr }).toEqual({
    stdout: expect.stringMatching(/^j-[0-9a-f]{6}\n$/),
    stderr: expect.any(String),
  });
  return stdout.trim();
};

/** Reads until so many lines are there, or all of it. */
async function linesOf(stream: ReadableStream<Uint8Array>, count = Infinity): Promise<string> {
  const reader = stream.getReader();
  let text = "";
  while (text.split("\n").length <= count) {
    const { value, done } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  reader.releaseLock();
  return text;
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join("");

test("a job outlives gpu and every connection, and its exit code is there later", async () => {
  await detach("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.1; done; exit 5", "--name", "outlive");
  const follower = start(["job", "log", "outlive", "--follow"]);
  await linesOf(follower.stdout, 2);
  follower.kill("SIGKILL");
  sshd.dropConnections();
  await follower.exited;
  expect(await gpu(["job", "wait", "outlive"])).toMatchObject({ code: 5 });
  expect((await gpu(["job", "log", "outlive"])).stdout).toBe(numbers(1, 9));
});

test("following goes on through cut connections: nothing is lost, nothing comes twice", async () => {
  const id = await detach("i=0; while [ $i -lt 60 ]; do i=$((i + 1)); echo $i; echo e$i >&2; sleep 0.05; done");
  const follower = start(["job", "log", id, "-f"]);
  const stderr = new Response(follower.stderr).text();
  let stdout = await linesOf(follower.stdout, 5);
  for (const count of [10, 10]) {
    sshd.dropConnections();
    stdout += await linesOf(follower.stdout, count);
  }
  stdout += await linesOf(follower.stdout);
  expect(stdout).toBe(numbers(1, 60));
  const said = (await stderr).split("\n");
  expect(said.filter((line) => /^e\d+$/.test(line)).join("\n")).toBe(numbers(1, 60).replace(/^/gm, "e").slice(0, -2));
  expect(said).toContain(`${id}: ok`);
});

test("Ctrl-C ends the following alone, and says how it goes on from there", async () => {
  const id = await detach("for i in $(seq 1 25); do echo $i; sleep 0.05; done");
  const follower = start(["job", "log", id, "--follow"]);
  const stderr = new Response(follower.stderr).text();
  let stdout = await linesOf(follower.stdout, 4);
  follower.kill("SIGINT");
  stdout += await linesOf(follower.stdout);
  expect(await follower.exited).toBe(130);
  const hint = /`gpu (job log \S+ --follow --new)`/.exec(await stderr)?.[1] ?? "";
  const rest = await gpu(hint.split(" "));
  expect(rest.code).toBe(0);
  expect(stdout + rest.stdout).toBe(numbers(1, 25));
});

test("a job is seen, read and stopped from another computer", async () => {
  const id = await detach("echo here; exec sleep 30", "--name", "shared");
  await using other = person();
  trust(other);
  expect((await gpu(["job", "list"], other)).stdout).toBe("");
  const [listed] = JSON.parse((await gpu(["job", "list", "--json", ...host()], other)).stdout)
    .filter((job: { id: string }) => job.id === id);
  expect(listed).toMatchObject({ name: "shared", state: "running", command: "echo here; exec sleep 30" });
  expect((await gpu(["job", "log", "shared", ...host()], other)).stdout).toBe("here\n");
  expect((await gpu(["job", "stop", id.slice(0, 7), ...host()], other)).stdout).toContain("stopped (143)");
  expect(await gpu(["job", "wait", "shared"])).toMatchObject({ code: 143 });
});

test("a machine that cannot be reached is said, and the others go on", async () => {
  const both = [...host(), "--host", `${me}@127.0.0.1:1`];
  const started = await gpu(["exec", "-d", "--json", "--name", "two", ...both, "--", "echo hi"]);
  const items = started.stdout.trim().split("\n").map((line) => JSON.parse(line));
  expect(started.code).toBe(1);
  expect(items.map(({ status }) => status).toSorted()).toEqual(["started", "unreachable"]);
  expect((await gpu(["job", "wait", "two"])).code).toBe(0);
  const listed = await gpu(["job", "list", ...both]);
  expect(listed).toMatchObject({ code: 0, stderr: expect.stringContaining("127.0.0.1:1") });
  expect(listed.stdout).toContain("\ttwo\t");
});

test("a value of the environment goes along, and stands in no file", async () => {
  await gpu(["exec", "-d", "--name", "env", "--env", "TOKEN", ...host(), "--", "echo $TOKEN | tr a-z A-Z"], user, {
    TOKEN: "hush-hush",
  });
  await gpu(["job", "wait", "env"]);
  expect((await gpu(["job", "log", "env"])).stdout).toBe("HUSH-HUSH\n");
  for (const folder of [sshd.folder, user.home]) {
    expect(Bun.spawnSync(["grep", "-rl", "hush-hush", folder]).stdout.toString()).toBe("");
  }
});
