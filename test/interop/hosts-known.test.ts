import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fingerprint, parsePublicKey } from "../../src/ssh/hostkeys.ts";
import { keygen, me, type Person, person, say } from "./hosts-fixture.ts";
import { type Sshd, startSshd } from "./sshd.ts";

let sshd: Sshd;
let user: Person;
let name: string;
let host: string;
const known = () => join(user.home, ".ssh/known_hosts");
const hello = (selection = {}) =>
  say(user.connect({ hosts: [host], identities: [sshd.privateKeyPath], ...selection }), "echo hello");
const failure = (selection = {}) => hello(selection).then(() => expect.unreachable(), (error) => error);
const print = (line: string) => fingerprint(parsePublicKey(line).blob);

/** A key that is not the server's. */
let stranger: string;
let strangerRsa: string;

beforeAll(async () => {
  user = person();
  sshd = await startSshd();
  name = `[127.0.0.1]:${sshd.address.port}`;
  host = `${me}@127.0.0.1:${sshd.address.port}`;
  keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(user.home, "stranger"));
  stranger = readFileSync(join(user.home, "stranger.pub"), "utf8").trim();
  keygen("-q", "-t", "ecdsa", "-N", "", "-C", "", "-f", join(user.home, "stranger-ecdsa"));
  strangerRsa = readFileSync(join(user.home, "stranger-ecdsa.pub"), "utf8").trim();
});
beforeEach(() => rmSync(known(), { force: true }));
afterAll(async () => {
  await sshd?.[Symbol.asyncDispose]();
  await user?.[Symbol.asyncDispose]();
});

describe("a host that is not known", () => {
  test("is refused with its fingerprint, and nothing is written", async () => {
    const error = await failure();
    expect(error.reason).toBe("host-key");
    expect(error.message).toBe(`the host \`${host}\` is not known: its key is ssh-ed25519 ${print(sshd.hostKey)}`);
    expect(error.hint).toContain("`--accept-new`");
    expect(existsSync(known())).toBeFalse();
  });

  test("is written down with --accept-new, for us and for ssh", async () => {
    expect(await hello({ acceptNew: true })).toBe("hello\n");
    expect(readFileSync(known(), "utf8")).toBe(`${name} ${sshd.hostKey.split(" ").slice(0, 2).join(" ")}\n`);
    expect(statSync(known()).mode & 0o777).toBe(0o600);
    expect(user.notes.at(-1)).toContain(print(sshd.hostKey));
    expect(await hello()).toBe("hello\n");
    expect(keygen("-F", name, "-f", known())).toContain("found: line 1");
  });

  test("is written down hashed where the file is hashed, and behind a line without an end", async () => {
    writeFileSync(known(), `other.example ${stranger}`);
    keygen("-q", "-H", "-f", known());
    writeFileSync(known(), readFileSync(known(), "utf8").trimEnd());
    expect(await hello({ acceptNew: true })).toBe("hello\n");
    const lines = readFileSync(known(), "utf8").split("\n");
    expect(lines.map((line) => line.slice(0, 3))).toEqual(["|1|", "|1|", ""]);
    expect(keygen("-F", name, "-f", known())).toContain("found: line 2");
    expect(await hello()).toBe("hello\n");
  });

  test("is written down once, also when many come at once", async () => {
    await Promise.all(Array.from({ length: 8 }, () => hello({ acceptNew: true })));
    expect(readFileSync(known(), "utf8").trim().split("\n")).toHaveLength(1);
  });

  test("is never believed where it cannot be written down", async () => {
    user.write("config", "Host *\n  UserKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n");
    expect((await failure()).message).toContain("is not known");
    expect((await failure({ acceptNew: true })).message).toContain("there is no file for known hosts");
    rmSync(join(user.home, ".ssh/config"));
  });
});

describe("a host is known", () => {
  const forms: [string, () => string][] = [
    ["by its name and port", () => `${name} ${sshd.hostKey}`],
    ["among other names", () => `example.org,${name},10.0.0.1 ${sshd.hostKey}`],
    ["by a pattern", () => `[127.0.0.?]:* ${sshd.hostKey}`],
    ["behind comments and other hosts", () => `# a comment\n\nexample.org ${stranger}\n${name} ${sshd.hostKey} said`],
    ["beside another key of it", () => `${name} ${stranger}\n${name} ${sshd.hostKey}`],
    ["on port 22, by the same key", () => `127.0.0.1 ${sshd.hostKey}`],
  ];
  test.each(forms)("%s", async (_form, lines) => {
    writeFileSync(known(), `${lines()}\n`);
    expect(await hello()).toBe("hello\n");
    keygen("-q", "-H", "-f", known());
    expect(await hello()).toBe("hello\n");
  });

  test("in another file, by another name", async () => {
    user.write("elsewhere", `somewhere ${sshd.hostKey}\n`);
    user.write("config", `Host *\n  UserKnownHostsFile ~/.ssh/none ~/.ssh/elsewhere\n  HostKeyAlias somewhere\n`);
    expect(await hello()).toBe("hello\n");
    rmSync(join(user.home, ".ssh/config"));
  });

  test("only as what a pattern leaves out: it is not known", async () => {
    writeFileSync(known(), `*,!${name},!127.0.0.* ${sshd.hostKey}\n`);
    expect((await failure()).message).toContain("is not known");
  });
});

describe("a key that is not the known one is refused, --accept-new or not", () => {
  test("changed: with both fingerprints, the file and the line", async () => {
    writeFileSync(known(), `# mine\nexample.org ${sshd.hostKey}\n${name} ${stranger}\n`);
    for (const acceptNew of [false, true]) {
      const error = await failure({ acceptNew });
      expect(error.reason).toBe("host-key");
      expect(error.message).toContain(`ssh-ed25519 ${print(stranger)} is known (${known()}:3)`);
      expect(error.message).toContain(`it shows ssh-ed25519 ${print(sshd.hostKey)}`);
    }
    keygen("-q", "-H", "-f", known());
    expect((await failure()).message).toContain(print(stranger));
  });

  test("of another type than the known one", async () => {
    writeFileSync(known(), `${name} ${strangerRsa}\n`);
    expect((await failure({ acceptNew: true })).message).toContain(
      `ecdsa-sha2-nistp256 ${print(strangerRsa)} is known`,
    );
  });

  test("revoked, though it is known too", async () => {
    writeFileSync(known(), `${name} ${sshd.hostKey}\n@revoked * ${sshd.hostKey}\n`);
    expect((await failure({ acceptNew: true })).message).toContain(`is revoked (${known()}:2)`);
  });

  test("a server between us and the known one", async () => {
    writeFileSync(known(), `${name} ${sshd.hostKey}\n`);
    await using between = await startSshd();
    const world = { ...user.world, dial: () => user.world.dial({ host: "127.0.0.1", port: between.address.port }) };
    const { Reach } = await import("../../src/hosts/reach.ts");
    const error = await user.connect({ hosts: [host], identities: [between.privateKeyPath] }, {
      reach: new Reach({ world }),
    }).catch((error) => error);
    expect(error.message).toContain("has changed");
  });
});

describe("of several keys the one that is known is asked for", () => {
  test.each(["ecdsa", "rsa"])("%s", async (type) => {
    await using many = await startSshd(["ecdsa", "rsa"].map((one) => {
      const path = join(user.home, `host-${one}`);
      if (!existsSync(path)) keygen("-q", "-t", one, ...(one === "rsa" ? ["-b", "2048"] : []), "-N", "", "-f", path);
      return `HostKey ${path}`;
    }));
    const line = readFileSync(join(user.home, `host-${type}.pub`), "utf8");
    writeFileSync(known(), `[127.0.0.1]:${many.address.port} ${line}`);
    const there = { hosts: [`${me}@127.0.0.1:${many.address.port}`], identities: [many.privateKeyPath] };
    expect(await say(user.connect(there), "echo it")).toBe("it\n");
  });
});

describe("a host with a certificate", () => {
  let certified: Sshd;
  let authority: string;
  const at = () => `[127.0.0.1]:${certified.address.port}`;
  const login = (sshd = certified) =>
    say(
      user.connect({ hosts: [`${me}@127.0.0.1:${sshd.address.port}`], identities: [sshd.privateKeyPath] }),
      "echo vouched for",
    );
  const failure = (sshd?: Sshd) => login(sshd).then(() => expect.unreachable(), (error) => error);

  /** A server whose host key is of this type, with a certificate that says so. */
  async function startCertified(type: string, ...says: readonly string[]): Promise<Sshd> {
    const path = join(user.home, `certified-${type}`);
    rmSync(path, { force: true });
    keygen("-q", "-t", type, "-N", "", "-f", path);
    keygen("-q", "-s", join(user.home, "ca"), "-h", "-I", "its id", ...says, `${path}.pub`);
    return await startSshd([`HostKey ${path}`, `HostCertificate ${path}-cert.pub`]);
  }

  beforeAll(async () => {
    keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(user.home, "ca"));
    authority = readFileSync(join(user.home, "ca.pub"), "utf8").trim();
    certified = await startCertified("ed25519", "-n", "127.0.0.1,example.org");
  });
  afterAll(() => certified?.[Symbol.asyncDispose]());

  test("is believed by its authority, also when keys are exchanged anew", async () => {
    writeFileSync(known(), `@cert-authority [127.0.0.1]:* ${authority}\n`);
    expect(await login()).toBe("vouched for\n");
    await using often = await startSshd([
      `HostKey ${user.home}/certified-ed25519`,
      `HostCertificate ${user.home}/certified-ed25519-cert.pub`,
      "RekeyLimit 1M",
    ]);
    const there = { hosts: [`${me}@127.0.0.1:${often.address.port}`], identities: [often.privateKeyPath] };
    expect(await say(user.connect(there), "head -c 8000000 /dev/zero | tr '\\0' x | wc -c; head -c 8000000 /dev/zero"))
      .toHaveLength(8_000_008);
  });

  test.each(["ecdsa", "rsa"])("of an %s key too", async (type) => {
    await using other = await startCertified(type, "-n", "127.0.0.1");
    writeFileSync(known(), `@cert-authority * ${authority}\n`);
    expect(await login(other)).toBe("vouched for\n");
  });

  test("by an authority with a key of another type", async () => {
    for (const type of ["rsa", "ecdsa"]) {
      const ca = join(user.home, `ca-${type}`);
      keygen("-q", "-t", type, ...(type === "rsa" ? ["-b", "2048"] : []), "-N", "", "-C", "", "-f", ca);
      const path = join(user.home, `by-${type}`);
      keygen("-q", "-t", "ed25519", "-N", "", "-f", path);
      keygen("-q", "-s", ca, "-h", "-I", "its id", "-n", "127.0.0.1", `${path}.pub`);
      await using other = await startSshd([`HostKey ${path}`, `HostCertificate ${path}-cert.pub`]);
      writeFileSync(known(), `@cert-authority * ${readFileSync(`${ca}.pub`, "utf8")}`);
      expect(await login(other)).toBe("vouched for\n");
    }
  });

  test("is not believed by another authority, and its key alone is not believed either", async () => {
    writeFileSync(known(), `@cert-authority * ${stranger}\n`);
    expect((await failure()).message).toContain(`nobody that is known vouches for it, but ${print(authority)}`);
    expect((await failure(sshd)).message).toContain("shows no certificate, and only its authority is known");
  });

  test("that is revoked, itself or its authority, is refused", async () => {
    const own = readFileSync(join(user.home, "certified-ed25519.pub"), "utf8").trim();
    for (const revoked of [own, authority]) {
      writeFileSync(known(), `@cert-authority * ${authority}\n@revoked * ${revoked}\n`);
      expect((await failure()).message).toContain("is revoked");
    }
  });

  test("that is for another host, not yet or not any more valid, is refused", async () => {
    writeFileSync(known(), `@cert-authority ${at().replace(/\d+$/, "*")} ${authority}\n`);
    for (
      const [says, why] of [
        [["-n", "example.org"], "it is for example.org"],
        [["-n", "127.0.0.1", "-V", "20200101:20200102"], "it is not valid any more"],
        [["-n", "127.0.0.1", "-V", "20990101:20990102"], "it is not valid yet"],
      ] as const
    ) {
      await using other = await startCertified("ecdsa", ...says);
      expect((await failure(other)).message).toContain(why);
    }
  });
});
