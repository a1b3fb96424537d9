import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import type { ClientChannel, SFTPWrapper } from "ssh2";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { openServer, runProgram } from "./openssh.ts";

let server: Awaited<ReturnType<typeof openServer>>;
beforeAll(async () => {
  server = await openServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test("a command has its stdin, stdout, stderr and exit code", async () => {
  const outcome = await server.ssh(["machine", "cat; echo wrong >&2; exit 7"], "hello\n");
  expect(outcome).toEqual({ code: 7, stdout: "hello\n", stderr: "wrong\n" });
});

test("a command killed by a signal says so", async () => {
  const { code, stderr } = await server.ssh(["-o", "LogLevel=INFO", "-v", "machine", "kill -KILL $$"]);
  expect(code).toBe(255);
  expect(stderr).toContain("exit-signal");
  // SSH has no name for this one.
  expect((await server.ssh(["machine", "kill -BUS $$"])).code).toBe(128 + constants.signals.SIGBUS);
});

test("a command that cannot be started is an error, not a silence", async () => {
  await using broken = await openServer({ shell: "/nowhere/sh" });
  const { code, stderr } = await broken.ssh(["machine", "true"]);
  expect(code).toBe(255);
  expect(stderr).toContain("cannot start /nowhere/sh");
  expect((await broken.ssh(["-tt", "machine", "true"])).code).toBe(255);
});

test("a command that does not read its stdin ends all the same", async () => {
  const { code, stdout } = await server.ssh(["machine", "echo early"], new Uint8Array(8_000_000));
  expect({ code, stdout }).toEqual({ code: 0, stdout: "early\n" });
});

test("a client learns the exit of a command that leaves a process behind", async () => {
  const { code } = await server.ssh(["machine", "sleep 30 >/dev/null 2>&1 & echo $! > pid; exit 5"]);
  expect(code).toBe(5);
  await server.ssh(["machine", "kill $(cat pid)"]);
});

test("commands start at home, with the server's environment winning over the client's", async () => {
  const { stdout } = await server.ssh(["-o", "SetEnv=MARK=theirs MINE=1", "machine", "pwd; echo $MARK $MINE"]);
  expect(stdout).toBe(`${server.home}\nours 1\n`);
});

test("a shell without a terminal reads its commands from stdin", async () => {
  const { code, stdout } = await server.ssh(["-T", "machine"], "echo one\nexit 3\n");
  expect({ code, stdout }).toEqual({ code: 3, stdout: "one\n" });
});

test("stdout and stderr that both fill the client's window arrive whole", async () => {
  const size = 6_000_000;
  const child = Bun.spawn(
    [
      "ssh",
      "-F",
      server.config,
      "machine",
      `head -c ${size} /dev/zero | tr '\\0' o & head -c ${size} /dev/zero | tr '\\0' e >&2; wait`,
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  // stderr is read to its end before anyone looks at stdout, so stdout has to wait for the window again and again.
  const stderr = await new Response(child.stderr).text();
  const stdout = await new Response(child.stdout).text();
  expect(stderr === "e".repeat(size)).toBe(true);
  expect(stdout === "o".repeat(size)).toBe(true);
});

test("20 commands at once on one connection", async () => {
  const control = join(server.folder, "mux");
  const master = Bun.spawn(["ssh", "-F", server.config, "-MN", "-S", control, "machine"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  while ((await runProgram(["ssh", "-S", control, "-O", "check", "machine"])).code !== 0) await Bun.sleep(20);
  const numbers = Array.from({ length: 20 }, (_, index) => index);
  // OpenSSH's own limit of sessions is the server's to set: ours has none.
  const outcomes = await Promise.all(
    numbers.map((number) =>
      server.ssh(["-S", control, "machine", `read line; echo $line; exit ${number}`], `${number}\n`)
    ),
  );
  expect(outcomes).toEqual(numbers.map((number) => ({ code: number, stdout: `${number}\n`, stderr: "" })));
  master.kill("SIGKILL"); // Its client loop can sleep over a SIGTERM.
  await master.exited;
}, 15_000);

test("another key is refused, and so are passwords and other users", async () => {
  const stranger = join(server.folder, "stranger");
  writeFileSync(stranger, generateKeyPair("stranger").privateKey, { mode: 0o600 });
  const wrongKey = await server.ssh([
    "-o",
    `IdentityFile=${stranger}`,
    "-F",
    "none",
    "-p",
    String(server.port),
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    `UserKnownHostsFile=${server.folder}/known_hosts`,
    "-o",
    "IdentitiesOnly=yes",
    "gpu@127.0.0.1",
    "true",
  ]);
  expect(wrongKey.code).toBe(255);
  expect(wrongKey.stderr).toContain("Permission denied (publickey)");

  const password = await server.ssh([
    "-o",
    "PubkeyAuthentication=no",
    "-o",
    "NumberOfPasswordPrompts=1",
    "machine",
    "true",
  ]);
  expect(password.stderr).toContain("Permission denied (publickey)");

  const otherUser = await server.ssh(["-l", "root", "machine", "true"]);
  expect(otherUser.stderr).toContain("Permission denied (publickey)");
  expect(server.log.join("\n")).toContain("login refused: key or user unknown");
});

test("a client that offers only what is not served is told so", async () => {
  const { code, stderr } = await server.ssh([
    "-o",
    "LogLevel=INFO",
    "-o",
    "KexAlgorithms=diffie-hellman-group16-sha512",
    "machine",
    "true",
  ]);
  expect(code).toBe(255);
  expect(stderr).toContain("no matching key exchange method");
});

/** Connects as `gpu` itself does, with ssh2. */
async function openClient(): Promise<ssh2.Client> {
  const client = new ssh2.Client();
  const privateKey = readFileSync(join(server.folder, "client-key"));
  client.connect({ host: "127.0.0.1", port: server.port, username: "gpu", privateKey });
  await once(client, "ready");
  return client;
}

test("a client's signal reaches all of a pipeline", async () => {
  const client = await openClient();
  const channel = await new Promise<ClientChannel>((resolve, reject) =>
    client.exec("echo started; sleep 60 | sleep 60", (error, channel) => error ? reject(error) : resolve(channel))
  );
  await once(channel, "data");
  channel.signal("TERM");
  const [code, signal] = await once(channel, "exit");
  expect([code, signal]).toEqual([null, "SIGTERM"]);
  client.end();
});

test("ssh2's order of a symbolic link's two paths is understood", async () => {
  const client = await openClient();
  const sftp = await new Promise<SFTPWrapper>((resolve, reject) =>
    client.sftp((error, sftp) => error ? reject(error) : resolve(sftp))
  );
  await new Promise<void>((resolve, reject) =>
    sftp.symlink("target", "link", (error) => error ? reject(error) : resolve())
  );
  expect(readlinkSync(join(server.home, "link"))).toBe("target");
  client.end();
});

test("a client that vanishes takes the server's other clients nowhere", async () => {
  const client = await openClient();
  // A session that nothing runs in yet, a command that waits for input, and one that floods.
  client.exec("cat", () => {});
  const flood = await new Promise<ClientChannel>((resolve, reject) =>
    client.exec("echo $$; exec cat /dev/zero", (error, channel) => error ? reject(error) : resolve(channel))
  );
  const [first] = await once(flood, "data");
  const pid = Number.parseInt(String(first));
  flood.pause();
  client.destroy();
  // As under sshd, it ends by writing to a pipe that nobody reads.
  while (isAlive(pid)) await Bun.sleep(10);
  expect((await server.ssh(["machine", "echo still here"])).stdout).toBe("still here\n");
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
