import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { chmodSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type Home, memoryOf, openHome, processesWith } from "./shared-fixture.ts";

// Commands of their own, on a computer that may be busy.
setDefaultTimeout(60_000);

let home: Home;
beforeAll(async () => {
  home = await openHome(["MaxSessions 10"]);
});
afterAll(() => home?.[Symbol.asyncDispose]());
beforeEach(() => warmUp());

/** After this a session is there. */
async function warmUp(): Promise<void> {
  const { code, stderr } = await home.exec("true");
  expect([code, stderr]).toEqual([0, ""]);
}

/** Which connection a command ran over: the process of the server that started its shell. */
async function connectionOf(flags: readonly string[] = []): Promise<string> {
  return (await home.exec("echo $PPID", { flags })).stdout.trim();
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(10);
}

test("commands share a connection, and --no-share has its own", async () => {
  const first = await connectionOf();
  expect(await connectionOf()).toBe(first);
  const own = await connectionOf(["--no-share"]);
  expect(own).not.toBe(first);
  expect(own).toMatch(/^\d+$/);
  expect((await home.exec("echo $PPID", { env: { GPU_NO_SHARE: "1" } })).stdout.trim()).not.toBe(first);
  expect(await connectionOf()).toBe(first);
});

test("what another login is has a connection of its own", async () => {
  const first = await connectionOf();
  expect(await connectionOf(["--accept-new"])).not.toBe(first);
});

const binary = randomBytes(300_000);
const cases: readonly { readonly name: string; readonly args: readonly string[]; readonly stdin?: Uint8Array }[] = [
  { name: "an exit code", args: ["--", "echo out; echo err >&2; exit 3"] },
  { name: "words that are quoted", args: ["--", "printf", "%s|", "a b", "$HOME", "'"] },
  { name: "a signal", args: ["--", "kill -9 $$"] },
  { name: "binary input and output", args: ["--", "cat"], stdin: binary },
  { name: "input that nobody reads", args: ["--", "true"], stdin: binary },
  { name: "much output", args: ["--", "seq 1 200000; seq 1 100000 >&2"] },
  { name: "no newline at the end", args: ["--", "printf x"] },
  { name: "a command that is not there", args: ["--", "no-such-command-here"] },
  { name: "JSON", args: ["--json", "--", "echo out; exit 2"] },
  { name: "an environment and a folder", args: ["--env", "A=b c", "--cwd", "/tmp", "--", "echo $A $PWD"] },
  { name: "a time limit", args: ["--timeout", "300ms", "--", "sleep 20"] },
  { name: "a flag that is not there", args: ["--timeoutt", "3", "--", "true"] },
  { name: "a value that is none", args: ["--port", "x", "--", "true"] },
  { name: "a time that is none", args: ["--timeout", "x", "--", "true"] },
  { name: "nothing to run", args: ["--"] },
  { name: "help", args: ["--help", "--", "true"] },
];

test.each([...cases])("$name is the same with and without", async ({ args, stdin = new Uint8Array() }) => {
  const argv = ["exec", ...home.hostFlags, ...args];
  const [shared, own] = await Promise.all([
    home.gpu(argv, { stdin }),
    home.gpu(argv, { stdin, env: { GPU_NO_SHARE: "1" } }),
  ]);
  const settle = (text: string) => text.replace(/"durationMs": ?\d+/, '"durationMs": 0');
  expect({ ...shared, stdout: settle(shared.stdout) }).toEqual({ ...own, stdout: settle(own.stdout) });
});

test("a host that is not known is refused in the same words", async () => {
  const argv = ["exec", "--host", `nobody@localhost:${home.sshd.address.port}`, "--", "true"];
  const shared = await home.gpu(argv);
  expect(shared).toEqual(await home.gpu(argv, { env: { GPU_NO_SHARE: "1" } }));
  expect(shared.code).toBe(255);
});

test("many machines use a session that is there, and open none that stays", async () => {
  const first = await connectionOf();
  const { address: { port, user } } = home.sshd;
  const both = [...home.hostFlags, "--host", `${user}@localhost:${port}`, "--accept-new"];
  const { stdout, code } = await home.gpu(["exec", ...both, "--json", "--", "echo $PPID"]);
  expect(code).toBe(0);
  const connections = [...stdout.matchAll(/"stdout":"(\d+)/g)].map(([, pid]) => pid);
  expect(connections).toHaveLength(2);
  expect(connections).not.toContain(first); // --accept-new is another login.
});

test("20 commands at once, where the server takes 10 on a connection", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) => home.exec(`echo ${index} $PPID; sleep 0.1`)),
  );
  expect(outcomes.map(({ code, stdout }) => `${code} ${stdout.split(" ")[0]}`)).toEqual(
    outcomes.map((_, index) => `0 ${index}`),
  );
  expect(new Set(outcomes.map(({ stdout }) => stdout.split(" ")[1])).size).toBeLessThanOrEqual(3);
});

test("a killed client's command ends on the machine", async () => {
  const mark = `3${randomBytes(3).readUIntBE(0, 3)}`;
  const { child, prints, ended } = home.start(["exec", ...home.hostFlags, "--", `echo begun; exec sleep ${mark}`]);
  await prints("begun");
  await until(() => processesWith(`sleep\0${mark}`).length === 1);
  child.kill("SIGKILL");
  await ended;
  await until(() => processesWith(`sleep\0${mark}`).length === 0);
});

test("Ctrl-C ends the command there, and the exit code says so", async () => {
  const mark = `3${randomBytes(3).readUIntBE(0, 3)}`;
  const { child, prints, ended } = home.start(["exec", ...home.hostFlags, "--", `echo begun; exec sleep ${mark}`]);
  await prints("begun");
  child.kill("SIGINT");
  expect((await ended).code).toBe(130);
  await until(() => processesWith(`sleep\0${mark}`).length === 0);
});

test("a killed background process is no exit 0, and the next command has another", async () => {
  const { prints, ended } = home.start(["exec", ...home.hostFlags, "--", "echo begun; sleep 20"]);
  await prints("begun");
  process.kill(home.background() ?? 0, "SIGKILL");
  const { code, stderr } = await ended;
  expect(code).toBe(255);
  expect(stderr).toContain("the background process ended");
  expect((await home.exec("echo again")).stdout).toBe("again\n");
});

test("a connection that is cut is told as without sharing, and the next command has another", async () => {
  const first = await connectionOf();
  const { prints, ended } = home.start(["exec", ...home.hostFlags, "--", "echo begun; sleep 20"]);
  await prints("begun");
  home.sshd.dropConnections();
  const { code, stderr } = await ended;
  expect(code).toBe(255);
  expect(stderr).toContain("was lost");
  expect(await connectionOf()).not.toBe(first);
});

test("a reader that goes away ends the command quietly", async () => {
  const shell = Bun.spawn(
    [
      "bash",
      "-c",
      `"$@" | head -c 3; echo " \${PIPESTATUS[0]}"`,
      "-",
      ...home.command,
      "exec",
      ...home.hostFlags,
      "--",
      "yes",
    ],
    { env: home.env, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  expect(await new Response(shell.stdout).text()).toBe("y\ny 0\n");
  expect(await new Response(shell.stderr).text()).toBe("");
});

test("much goes through in little memory, and a slow reader holds it back", async () => {
  const pid = home.background() ?? 0;
  const before = memoryOf(pid);
  let most = 0;
  const watching = setInterval(() => most = Math.max(most, memoryOf(pid)), 20);
  const shell = Bun.spawn(
    [
      "bash",
      "-c",
      `"$@" | (sleep 0.3; wc -c)`,
      "-",
      ...home.command,
      "exec",
      ...home.hostFlags,
      "--",
      "head -c 500000000 /dev/zero",
    ],
    { env: home.env, stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  expect((await new Response(shell.stdout).text()).trim()).toBe("500000000");
  clearInterval(watching);
  expect(most - before).toBeLessThan(350);
});

test("a socket that others may use is not used", async () => {
  const first = await connectionOf();
  const socket = join(home.home, ".local/state/gpu/background.sock");
  expect([statSync(socket).mode & 0o777, statSync(join(socket, "..")).mode & 0o777]).toEqual([0o600, 0o700]);
  chmodSync(socket, 0o666);
  try {
    expect(await connectionOf()).not.toBe(first);
  } finally {
    chmodSync(socket, 0o600);
  }
  expect(await connectionOf()).toBe(first);
});

/** The socket is there a moment before somebody listens on it. */
async function connectWhenServed(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect(path);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    if (isOpen) return socket;
    await Bun.sleep(10);
  }
}

test("an older background process is left alone while it holds something, and replaced then", async () => {
  await using other = await openHome();
  const state = join(other.home, ".local/state/gpu");
  const old = Bun.spawn([process.execPath, join(import.meta.dir, "background-main.ts"), "60000", "60000", "0.0.1"], {
    env: other.env,
    stdout: "ignore",
    stderr: "inherit",
  });
  const socket = join(state, "background.sock");
  const holder = await connectWhenServed(socket);
  holder.write(`${JSON.stringify({ id: 1, method: "run.watch", parameters: { run: "ab", keys: {} } })}\n`);
  await new Promise((resolve) => holder.once("data", resolve));
  const own = [await other.exec("echo $PPID"), await other.exec("echo $PPID")];
  expect(own.map(({ code, stderr }) => [code, stderr])).toEqual([[0, ""], [0, ""]]);
  expect(own[0]?.stdout).not.toBe(own[1]?.stdout);
  expect(old.exitCode).toBeNull();
  holder.destroy();
  const shared = [await other.exec("echo $PPID"), await other.exec("echo $PPID")];
  expect(shared[0]?.stdout).toBe(shared[1]?.stdout ?? "");
  await old.exited;
});

test("one that says nothing any more is done without", async () => {
  await using other = await openHome();
  await other.exec("true");
  const pid = other.background() ?? 0;
  process.kill(pid, "SIGSTOP");
  try {
    expect(await other.exec("echo here; exit 3")).toMatchObject({ code: 3, stdout: "here\n" });
  } finally {
    process.kill(pid, "SIGCONT");
  }
});

test.each([["--no-share"], []])("output that cannot be written is a failure, %p", async (...flags) => {
  const ran = async (...more: string[]) => {
    const argv = [...home.hostFlags, ...flags.filter((flag) => typeof flag === "string"), ...more, "--", "echo lost"];
    const child = Bun.spawn(["sh", "-c", '"$@" > /dev/full', "sh", ...home.command, "exec", ...argv], {
      cwd: home.home,
      env: home.env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    return [await child.exited, await new Response(child.stderr).text()];
  };
  const message = "cannot write the output: the disk is full";
  expect(await ran()).toEqual([1, `error: ${message}\n`]);
  expect(await ran("--json")).toEqual([1, `${JSON.stringify({ error: { kind: "failed", message } })}\n`]);
});
