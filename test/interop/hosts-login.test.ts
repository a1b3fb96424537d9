import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../../src/command.ts";
import { InterruptedError } from "../../src/errors.ts";
import { connectTarget } from "../../src/hosts/connect.ts";
import { Reach } from "../../src/hosts/reach.ts";
import { fakeTerminal } from "../fake/terminal.ts";
import { type Agent, keygen, me, type Person, person, say, startAgent } from "./hosts-fixture.ts";
import { type FakeAgent, startSecurityKeyAgent } from "./security-key.ts";
import { type Sshd, startSshd } from "./sshd.ts";

// To make an RSA key takes as long as it takes.
setDefaultTimeout(60_000);

let sshd: Sshd;
let user: Person;
let agent: Agent;
let host: string;
const key = (name: string) => join(user.home, ".ssh", name);

beforeAll(async () => {
  user = person();
  keygen("-q", "-t", "ed25519", "-N", "", "-f", key("ca"));
  sshd = await startSshd([
    `TrustedUserCAKeys ${key("ca.pub")}`,
    "MaxAuthTries 20",
    "Banner /etc/hostname",
  ]);
  host = `${me}@127.0.0.1:${sshd.address.port}`;
  user.write("known_hosts", `[127.0.0.1]:${sshd.address.port} ${sshd.hostKey}\n`);
  agent = await startAgent(user.home);
  make("rsa", "-t", "rsa", "-b", "2048");
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await sshd?.[Symbol.asyncDispose]();
  await user?.[Symbol.asyncDispose]();
});

/** Makes a key that the server knows. */
function make(name: string, ...args: readonly string[]): string {
  keygen("-q", "-f", key(name), "-C", name, ...(args.includes("-N") ? args : ["-N", "", ...args]));
  appendFileSync(join(sshd.folder, "user.pub"), readFileSync(key(`${name}.pub`)));
  return key(name);
}

/** The one RSA key again, in another form: to make one takes long. */
function convert(name: string, ...args: readonly string[]): string {
  writeFileSync(key(name), readFileSync(key("rsa")), { mode: 0o600 });
  keygen("-q", "-p", "-P", "", "-f", key(name), ...args);
  if (!args.includes("-m")) writeFileSync(key(`${name}.pub`), keygen("-y", "-f", key(name)));
  return key(name);
}

const hello = (identity: string) => say(user.connect({ hosts: [host], identities: [identity] }), "echo hello");

describe("keys", () => {
  test.each([
    ["ed25519", ["-t", "ed25519"]],
    ["ecdsa-256", ["-t", "ecdsa", "-b", "256"]],
    ["ecdsa-384", ["-t", "ecdsa", "-b", "384"]],
    ["ecdsa-521", ["-t", "ecdsa", "-b", "521"]],
    ["rsa-4096", ["-t", "rsa", "-b", "4096"]],
    ["ecdsa-pem", ["-t", "ecdsa", "-m", "PEM"]],
    ["ecdsa-pkcs8", ["-t", "ecdsa", "-m", "PKCS8"]],
  ])("%s", async (name, args) => {
    const path = make(name, ...args);
    // Nothing but the file itself is needed.
    rmSync(`${path}.pub`);
    expect(await hello(path)).toBe("hello\n");
  });

  test.each(["RFC4716", "PEM", "PKCS8"])("rsa-2048 as %s", async (form) => {
    expect(await hello(convert(`rsa-${form}`, "-N", "", "-m", form))).toBe("hello\n");
  });

  test("ed25519 in PKCS#8, as openssl writes it", async () => {
    const path = key("ed25519-pkcs8");
    expect(Bun.spawnSync(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path]).exitCode).toBe(0);
    chmodSync(path, 0o600);
    const pem = Bun.spawnSync(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"]).stdout;
    const blob = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from("ssh-ed25519"), Buffer.from([0, 0, 0, 32])]);
    const line = `ssh-ed25519 ${Buffer.concat([blob, pem.subarray(-32)]).toString("base64")}\n`;
    appendFileSync(join(sshd.folder, "user.pub"), line);
    expect(await hello(path)).toBe("hello\n");
  });

  test.each(["RFC4716", "PEM", "PKCS8"])(
    "a passphrase (%s) is asked for once for all hosts, and again when it was mistyped",
    async (form) => {
      const path = convert(`locked-${form}`, "-N", "open sesame", "-m", form);
      const questions: string[] = [];
      const askPerson = ({ text, isSecret }: { text: string; isSecret: boolean }) => {
        questions.push(`${text} ${isSecret}`);
        return Promise.resolve(questions.length === 1 ? "wrong" : "open sesame");
      };
      const reach = new Reach({ world: user.world, askPerson });
      const all = Array.from(
        { length: 5 },
        () => say(user.connect({ hosts: [host], identities: [path] }, { reach }), "echo in"),
      );
      expect(await Promise.all(all)).toEqual(Array.from({ length: 5 }, () => "in\n"));
      expect(questions).toEqual([
        `passphrase of \`${path}\` true`,
        `passphrase of \`${path}\`; that was not it, again true`,
      ]);
    },
  );

  test("a passphrase is typed on the terminal, with its spaces", async () => {
    const path = convert("typed", "-N", " open sesame ", "-m", "PEM");
    const [login] = await user.logins({ hosts: [host], identities: [path] });
    if (!login) throw new Error("nobody");
    const terminal = fakeTerminal({ isTTY: true, typed: [" open sesame ", "Enter"] });
    const context = {
      world: { ...user.world, terminal },
      signal: new AbortController().signal,
      progress() {},
      note() {},
      around: (write: () => Promise<void>) => write(),
    } as unknown as Context;
    expect(await say(connectTarget(context, { kind: "host", name: "host", login }), "echo typed")).toBe("typed\n");
    const shown = terminal.takeLines().join("\n");
    expect(shown).toContain(`passphrase of \`${path}\``);
    expect(shown).not.toContain("sesame");
    const left = { ...context, world: { ...user.world, terminal: fakeTerminal({ isTTY: true, typed: ["Ctrl-C"] }) } };
    const error = await connectTarget(left, { kind: "host", name: "host", login }).catch((error) => error);
    expect(error).toBeInstanceOf(InterruptedError);
  });

  test("nobody to ask: the message names the key", async () => {
    const path = make("locked", "-Z", "aes128-ctr", "-a", "1", "-N", "secret");
    const error = await user.connect({ hosts: [host], identities: [path] }).catch((error) => error);
    expect(error.message).toBe(`the login as \`${host}\` is refused: tried ${path}`);
    expect(error.hint).toBe(`the key \`${path}\` has a passphrase, and nobody can be asked for it here`);
  });

  test("one that others can read is not used", async () => {
    const path = make("open-to-all");
    chmodSync(path, 0o644);
    await expect(hello(path)).rejects.toThrow(`the key \`${path}\` can be read by others, so it is not used`);
  });

  test("one that is not there, or no key, is said before anybody is called", async () => {
    await expect(hello("~/.ssh/nowhere")).rejects.toThrow(`there is no key \`${key("nowhere")}\``);
    const path = user.write("garbage", "not a key\n");
    await expect(hello(path)).rejects.toThrow(`the key \`${path}\` cannot be read: Unsupported key format`);
  });

  test("what is not accepted is said with all that was tried", async () => {
    keygen("-q", "-t", "ed25519", "-N", "", "-f", key("stranger"));
    keygen("-q", "-t", "ecdsa", "-N", "", "-f", key("other"));
    const error = await user.connect({ hosts: [host], identities: [key("stranger"), key("other")] }).catch((e) => e);
    expect(error.reason).toBe("login");
    expect(error.message).toBe(`the login as \`${host}\` is refused: tried ${key("stranger")}, ${key("other")}`);
    expect(error.hint).toEndWith("`--identity` names another key");
  });

  test("the usual files of ~/.ssh are tried by themselves", async () => {
    make("id_ed25519");
    expect(await say(user.connect({ hosts: [host] }), "echo by itself")).toBe("by itself\n");
    rmSync(key("id_ed25519"));
    rmSync(key("id_ed25519.pub"));
  });
});

describe("agent", () => {
  test.each(["ed25519", "ecdsa", "rsa"])("holds an %s key", async (type) => {
    const path = type === "rsa" ? convert("agent-rsa", "-N", "") : make(`agent-${type}`, "-t", type);
    agent.add(path);
    rmSync(path);
    await using other = person({ SSH_AUTH_SOCK: agent.socket });
    other.write("known_hosts", user.read("known_hosts"));
    expect(await say(other.connect({ hosts: [host] }), "echo held")).toBe("held\n");
    // With its public half a key of the agent is named.
    expect(await say(other.connect({ hosts: [host], identities: [`${path}.pub`] }), "echo named")).toBe("named\n");
    agent.add("-D");
  });

  test("has the certificate too", async () => {
    const path = key("agent-certified");
    keygen("-q", "-t", "ecdsa", "-N", "", "-f", path);
    keygen("-q", "-s", key("ca"), "-I", "in the agent", "-n", me, `${path}.pub`);
    agent.add(path);
    await using other = person({ SSH_AUTH_SOCK: agent.socket });
    other.write("known_hosts", user.read("known_hosts"));
    expect(await say(other.connect({ hosts: [host] }), "echo held")).toBe("held\n");
    agent.add("-D");
  });

  test("that does not answer keeps nobody out", async () => {
    await using other = person({ SSH_AUTH_SOCK: join(user.home, "no-agent") });
    other.write("known_hosts", user.read("known_hosts"));
    copyFileSync(make("without-agent"), other.write("id_ed25519", ""));
    expect(await say(other.connect({ hosts: [host] }), "echo in")).toBe("in\n");
  });

  test("a security key signs in its own way", async () => {
    await using fake: FakeAgent = await startSecurityKeyAgent(user.home);
    appendFileSync(join(sshd.folder, "user.pub"), `${fake.publicKey}\n`);
    await using other = person({ SSH_AUTH_SOCK: fake.socket });
    other.write("known_hosts", user.read("known_hosts"));
    expect(await say(other.connect({ hosts: [host] }), "echo touched")).toBe("touched\n");
  });
});

describe("certificates", () => {
  test.each([["ed25519", []], ["ecdsa", ["-b", "384"]], ["rsa", ["-b", "2048"]]])(
    "of an %s key, beside it or named",
    async (type, args) => {
      const path = key(`certified-${type}`);
      keygen("-q", "-t", type, ...args, "-N", "", "-f", path);
      keygen("-q", "-s", key("ca"), "-I", "test", "-n", me, `${path}.pub`);
      expect(await hello(path)).toBe("hello\n");
      writeFileSync(key("elsewhere"), readFileSync(`${path}-cert.pub`));
      rmSync(`${path}-cert.pub`);
      await expect(hello(path)).rejects.toThrow("is refused");
      user.write("config", `Host *\n  CertificateFile ~/.ssh/elsewhere\n  IdentityFile ${path}\n`);
      expect(await say(user.connect({ hosts: [host] }), "echo named")).toBe("named\n");
      rmSync(key("config"));
    },
  );

  test("for somebody else is refused", async () => {
    const path = key("for-somebody");
    keygen("-q", "-t", "ed25519", "-N", "", "-f", path);
    keygen("-q", "-s", key("ca"), "-I", "test", "-n", "somebody", `${path}.pub`);
    await expect(hello(path)).rejects.toThrow(`tried ${path} with its certificate, ${path}`);
  });
});
