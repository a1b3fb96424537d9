import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Reach } from "../../src/hosts/reach.ts";
import { keygen, me, type Person, person, say } from "./hosts-fixture.ts";
import { freePort, type Sshd, startSshd } from "./sshd.ts";

let user: Person;
/** The first jump host, the second, and the machine itself. */
let first: Sshd;
let second: Sshd;
let last: Sshd;
const at = ({ address }: Sshd) => `${me}@127.0.0.1:${address.port}`;

beforeAll(async () => {
  user = person();
  [first, second, last] = await Promise.all([
    startSshd(["LogLevel VERBOSE"]),
    startSshd(),
    startSshd(["MaxSessions 2"]),
  ]);
  user.write("id_ed25519", last.privateKey);
  const key = readFileSync(join(last.folder, "user.pub"));
  for (const jump of [first, second]) appendFileSync(join(jump.folder, "user.pub"), key);
  know();
});
afterAll(async () => {
  await Promise.all([first, second, last].map((sshd) => sshd?.[Symbol.asyncDispose]()));
  await user?.[Symbol.asyncDispose]();
});

function know(...of: Sshd[]): void {
  const all = of.length === 0 ? [first, second, last] : of;
  const lines = all.map(({ address, hostKey }) => `[127.0.0.1]:${address.port} ${hostKey}\n`);
  user.write("known_hosts", lines.join(""));
}

function configure(...lines: readonly string[]): void {
  user.write("config", `${lines.join("\n")}\n`);
}

/** Ports of the servers that a session came from. */
const cameFrom = "echo $SSH_CONNECTION";

describe("through jump hosts", () => {
  test("one, from the ssh configuration", async () => {
    configure("Host machine", "  HostName 127.0.0.1", `  Port ${last.address.port}`, `  ProxyJump ${at(first)}`);
    const said = await say(user.connect({ hosts: [`${me}@machine`] }), cameFrom);
    expect(said.trim().split(" ")[3]).toBe(String(last.address.port));
  });

  test("two, each with its own login, host key and configuration", async () => {
    configure(
      `Host near`,
      `  HostName 127.0.0.1`,
      `  Port ${first.address.port}`,
      `Host far`,
      `  HostName 127.0.0.1`,
      `  Port ${second.address.port}`,
      `  ProxyJump nobody@nowhere`,
      `Host machine`,
      `  HostName 127.0.0.1`,
      `  Port ${last.address.port}`,
      `  ProxyJump near,far`,
    );
    const [login] = await user.logins({ hosts: ["machine"] });
    expect(login?.jumps.map(({ address }) => address.port)).toEqual([first.address.port, second.address.port]);
    expect(await say(user.connect({ hosts: ["machine"] }), "echo through both")).toBe("through both\n");
  });

  test("of the configuration of gpu", async () => {
    configure("");
    const config = {
      hosts: {
        near: { address: `${me}@127.0.0.1:${first.address.port}` },
        machine: { address: "127.0.0.1", port: last.address.port, user: me, jump: "near" },
      },
    };
    const there = user.connect({ targets: ["machine"] }, { config });
    expect(await say(there, "echo through near")).toBe("through near\n");
  });

  test("the way is shared by all who go there at the same time, and ends with the last", async () => {
    configure(`Match all`, `  IdentityFile ~/.ssh/id_ed25519`, `Host 127.0.0.1`, `  ProxyJump none`);
    const config = { hosts: { machine: { address: at(last), jump: at(first) } } };
    const dialled: number[] = [];
    const world = {
      ...user.world,
      dial: (to: Parameters<typeof user.world.dial>[0]) => {
        dialled.push(to.port);
        return user.world.dial(to);
      },
    };
    const reach = new Reach({ world });
    const sessions = await Promise.all(
      Array.from({ length: 5 }, () => user.connect({ targets: ["machine"] }, { config, reach })),
    );
    expect(dialled).toEqual([first.address.port]);
    for (const session of sessions) await session[Symbol.asyncDispose]();
    await using again = await user.connect({ targets: ["machine"] }, { config, reach });
    expect((await again.exec("exit 3")).exitCode).toBe(3);
    expect(dialled).toEqual([first.address.port, first.address.port]);
  });

  test("a jump host that is not known refuses, and is named", async () => {
    know(second, last);
    const config = { hosts: { machine: { address: at(last), jump: at(first) } } };
    const error = await user.connect({ targets: ["machine"] }, { config }).catch((error) => error);
    expect(error.reason).toBe("host-key");
    expect(error.message).toStartWith(
      `\`${at(last)}\` is not reached through its jump host: the host \`${at(first)}\` is not known`,
    );
    know();
  });

  test("what the jump host cannot reach is unreachable", async () => {
    const config = { hosts: { machine: { address: `${me}@127.0.0.1:${await freePort()}`, jump: at(first) } } };
    const error = await user.connect({ targets: ["machine"] }, { config }).catch((error) => error);
    expect(error.reason).toBe("unreachable");
    expect(error.message).toContain("cannot be reached from");
  });

  test("a host that is reached through itself is said so", async () => {
    configure(`Host a`, `  ProxyJump b`, `Host b`, `  ProxyJump a`);
    await expect(user.logins({ hosts: ["a"] })).rejects.toThrow("through itself");
  });
});

test("what only ssh understands is asked of it: Match, Include, tokens", async () => {
  writeFileSync(join(user.home, "included"), `Match host machine-* exec "test %n = machine-2"\n  User nobody\n`);
  configure(
    `Include ${user.home}/included`,
    "Host machine-*",
    "  HostName 127.0.0.1",
    `  Port ${last.address.port}`,
    "  IdentityFile ~/.ssh/%n",
    "  IdentityFile ~/.ssh/id_ed25519",
  );
  const [one, two] = await user.logins({ hosts: ["machine-[1-2]"] });
  expect(two?.address).toEqual({ host: "127.0.0.1", port: last.address.port, user: "nobody" });
  expect(one?.identities).toEqual([join(user.home, ".ssh/id_ed25519")]);
  expect(await say(user.connect({ hosts: ["machine-1"] }), "echo matched")).toBe("matched\n");
  configure("Host *", "  Nonsense yes");
  await expect(user.logins({ hosts: ["a"] })).resolves.toHaveLength(1);
  configure("Host *", "  Port x");
  await expect(user.logins({ hosts: ["a"] })).rejects.toThrow("`ssh -G` cannot say how `a` is reached: ");
  rmSync(join(user.home, ".ssh/config"));
});

describe("through a command of the ssh configuration", () => {
  test("that connects", async () => {
    configure("Host machine", `  HostName 127.0.0.1`, `  Port ${last.address.port}`, "  ProxyCommand nc -N %h %p");
    const nc = Bun.which("nc");
    if (!nc) {
      configure("Host machine", `  HostName 127.0.0.1`, `  Port ${last.address.port}`, `  ProxyCommand ${bunNc()}`);
    }
    expect(await say(user.connect({ hosts: ["machine"] }), "echo through nc; head -c 3000000 /dev/zero | wc -c"))
      .toBe("through nc\n3000000\n");
  });

  test("that fails says why", async () => {
    configure("Host machine", "  ProxyCommand echo no way >&2; false");
    await expect(user.connect({ hosts: ["machine"] })).rejects.toThrow("no way");
  });

  test("no name of a host becomes a command or an option", async () => {
    configure("Host *", `  ProxyCommand touch ${user.home}/hacked; nc %h %p`);
    for (const bad of ["a;touch", "$(id)", "-oProxyCommand=x", "a`b`", "a b", "me$x@host", "-l@host", ""]) {
      await expect(user.logins({ hosts: [bad] })).rejects.toThrow("is not a host (--host)");
    }
    expect(existsSync(join(user.home, "hacked"))).toBeFalse();
    rmSync(join(user.home, ".ssh/config"));
  });
});

/** Where there is no `nc`. */
function bunNc(): string {
  const script = join(user.home, "nc.ts");
  writeFileSync(
    script,
    `const [host, port] = process.argv.slice(2);
const socket = require("net").connect(Number(port), host);
process.stdin.pipe(socket).pipe(process.stdout);`,
  );
  return `${process.execPath} ${script} %h %p`;
}

describe("what servers do", () => {
  test("MaxSessions is a limit, not an error", async () => {
    await using session = await user.connect({ hosts: [at(last)] });
    const all = await Promise.all(Array.from({ length: 12 }, (_, index) => session.exec(`exit ${index}`)));
    expect(all.map(({ exitCode }) => exitCode)).toEqual(Array.from({ length: 12 }, (_, index) => index));
  });

  test("Banner and ForceCommand", async () => {
    await using sshd = await startSshd(["Banner /etc/passwd", "ForceCommand echo forced: $SSH_ORIGINAL_COMMAND"]);
    user.write("known_hosts", `[127.0.0.1]:${sshd.address.port} ${sshd.hostKey}\n`);
    const said = await say(user.connect({ hosts: [at(sshd)], identities: [sshd.privateKeyPath] }), "echo hello");
    expect(said).toStartWith("forced: ");
    expect(said).toContain("echo hello");
    know();
  });

  test("a server that has nothing but chacha20 is told apart, with what helps", async () => {
    await using sshd = await startSshd(["Ciphers chacha20-poly1305@openssh.com"]);
    const error = await user.connect({ hosts: [at(sshd)] }).catch((error) => error);
    expect(error.reason).toBe("algorithms");
    expect(error.message).toBe(`no common algorithm with the SSH server at \`${at(sshd)}\`: no matching cipher`);
    expect(error.hint).toContain(`ssh -p ${sshd.address.port} ${me}@127.0.0.1`);
  });

  test("nothing there, somebody silent, and no SSH", async () => {
    const nothing = `${me}@127.0.0.1:${await freePort()}`;
    await expect(user.connect({ hosts: [nothing] })).rejects.toThrow(`nothing answers SSH at \`${nothing}\``);
    const unknown = `${me}@no-such-host.invalid`;
    await expect(user.connect({ hosts: [unknown] })).rejects.toThrow("the name `no-such-host.invalid` is not known");
    configure("Host *", "  ConnectTimeout 1");
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const address = silent.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const error = await user.connect({ hosts: [`${me}@127.0.0.1:${port}`] }).catch((error) => error);
    expect([error.reason, error.message]).toEqual([
      "timeout",
      `\`${me}@127.0.0.1:${port}\` did not let us in within 1 s`,
    ]);
    silent.close();
    rmSync(join(user.home, ".ssh/config"));
  });
});

test("a password is asked for where no key is accepted, for one host only", async () => {
  keygen("-q", "-t", "ed25519", "-N", "", "-f", join(user.home, "none"));
  const asked: string[] = [];
  const askPerson = ({ text }: { text: string }) => {
    asked.push(text);
    return Promise.resolve("secret");
  };
  const server = await passwordServer("secret");
  user.write("known_hosts", `[127.0.0.1]:${server.port} ${server.hostKey}\n`);
  const host = `someone@127.0.0.1:${server.port}`;
  await using session = await user.connect({ hosts: [host], identities: [join(user.home, "none")] }, { askPerson });
  expect(session.address.user).toBe("someone");
  expect(asked).toEqual(["password of someone@127.0.0.1"]);
  const [one, other] = await user.logins({ hosts: [host, `other@127.0.0.1:${server.port}`] });
  expect([one?.mayAskPassword, other?.mayAskPassword]).toEqual([false, false]);
  await session[Symbol.asyncDispose]();
  server.close();
});

/** A server that knows no keys: OpenSSH's would need a user with a password on this computer. */
async function passwordServer(password: string) {
  const { Server } = (await import("ssh2")).default;
  const { generateKeyPair } = await import("../../src/ssh/keys.ts");
  const { privateKey, publicKey } = generateKeyPair("host");
  const server = new Server({ hostKeys: [privateKey] }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (attempt) => {
      if (attempt.method === "password" && attempt.password === password) attempt.accept();
      else attempt.reject(["publickey", "password"]);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return { port: (server.address() as { port: number }).port, hostKey: publicKey, close: () => server.close() };
}
