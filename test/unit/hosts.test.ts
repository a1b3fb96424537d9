import { afterAll, describe, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { Context } from "../../src/command.ts";
import { Config } from "../../src/config.ts";
import { configuredHosts } from "../../src/hosts/configured.ts";
import { expandRange } from "../../src/hosts/range.ts";
import { selectTarget, selectTargets } from "../../src/hosts/select.ts";
import { parseHostSpec } from "../../src/hosts/spec.ts";
import { splitLine } from "../../src/hosts/ssh-config-file.ts";
import type { Selection } from "../../src/hosts/target.ts";
import type { World } from "../../src/world.ts";
import { matchesPatterns, parseKnownHosts } from "../../src/ssh/known-hosts.ts";
import { realClock } from "../../src/outside.ts";
import { fakeTerminal } from "../fake/terminal.ts";

const home = mkdtempSync(join(tmpdir(), "gpu-hosts-unit-"));
mkdirSync(join(home, ".ssh"));
mkdirSync(join(home, ".ssh/config.d"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe("a host", () => {
  test.each([
    ["name", { name: "name" }],
    ["user@name", { user: "user", name: "name" }],
    ["user@name:2222", { user: "user", name: "name", port: 2222 }],
    ["name:1", { name: "name", port: 1 }],
    ["[2001:db8::1]:2222", { name: "2001:db8::1", port: 2222 }],
    ["me@[fe80::1%eth0]", { user: "me", name: "fe80::1%eth0" }],
    ["2001:db8::1", { name: "2001:db8::1" }],
    ["ssh://me@name:22/", { user: "me", name: "name", port: 22 }],
    ["me@corp.example@name", { user: "me@corp.example", name: "name" }],
    ["ssh://name", { name: "name" }],
  ])("%s", (text, spec) => {
    expect(parseHostSpec(text, "--host")).toEqual({ user: undefined, port: undefined, ...spec });
  });

  test.each([
    ["", "name"],
    ["-v", "name"],
    ["me@-v", "name"],
    ["-l@name", "user"],
    ["@name", "user"],
    ["name:", "port"],
    ["name:0", "port"],
    ["name:65536", "port"],
    ["name:22x", "port"],
    ["na me", "name"],
    ["na;me", "name"],
    ["$(name)", "name"],
    ["na\nme", "name"],
    ["na\x1bme", "name"],
    ["[name]:22", "brackets"],
    ["name/x", "name"],
    ["http://name", "name"],
  ])("%p is none", (text, why) => {
    expect(() => parseHostSpec(text, "hosts.txt:3")).toThrow(/is not a host \(hosts\.txt:3\): /);
    expect(() => parseHostSpec(text, "hosts.txt:3")).toThrow(why);
  });
});

describe("a range", () => {
  test.each([
    ["node", ["node"]],
    ["node[1-3]", ["node1", "node2", "node3"]],
    ["node[08-10].lab", ["node08.lab", "node09.lab", "node10.lab"]],
    ["node[8-10]", ["node8", "node9", "node10"]],
    ["node[1,3-5]", ["node1", "node3", "node4", "node5"]],
    ["r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]],
    ["me@n[1-2]:22", ["me@n1:22", "me@n2:22"]],
    ["[2001:db8::1]:22", ["[2001:db8::1]:22"]],
  ])("%s", (pattern, names) => expect(expandRange(pattern, "--host")).toEqual(names));

  test.each(["n[]", "n[1-]", "n[-1]", "n[3-1]", "n[a-b]", "n[1-99999999]", "n[1-999]n[1-999]", "n[1-9999999999]"])(
    "%s is none",
    (pattern) => expect(() => expandRange(pattern, "--host")).toThrow(/--host/),
  );
});

test("groups hold names, ranges and other hosts, which keep what is said of them", () => {
  const { hosts } = Config.parse({
    hosts: {
      desk: { address: "me@192.0.2.9:2200", tags: { room: "1" } },
      lab: { range: "node[1-2].lab", user: "ubuntu", identity: "~/.ssh/lab", tags: { team: "a" } },
      all: { names: ["desk", "lab", "extra"], user: "root", port: 22, tags: { team: "b" } },
      round: { names: ["about"] },
      about: { names: ["round"] },
    },
  });
  const broken = configuredHosts({ hosts });
  expect(() => broken.find("round")).toThrow("the group `round` holds itself");
  // Only what is asked for fails.
  expect(broken.broken.map(({ name }) => name)).toEqual(["round", "about"]);

  const { round: _round, about: _about, ...good } = hosts;
  const known = configuredHosts({ hosts: good });
  expect(known.find("lab")?.map(({ name, spec }) => `${spec.user}@${name}`)).toEqual([
    "ubuntu@node1.lab",
    "ubuntu@node2.lab",
  ]);
  expect(known.find("node2.lab")).toMatchObject([{ identity: "~/.ssh/lab", tags: { team: "a" } }]);
  expect(known.find("all")?.map(({ name, spec: { user, port }, tags }) => [name, user, port, tags.team])).toEqual([
    ["desk", "me", 2200, "b"],
    ["node1.lab", "ubuntu", 22, "a"],
    ["node2.lab", "ubuntu", 22, "a"],
    ["extra", "root", 22, "b"],
  ]);
  expect(known.find("nowhere")).toBeUndefined();
  expect(known.all).toHaveLength(4);
});

test("a range as the key of a host is told where it belongs", () => {
  const { hosts } = Config.parse({ hosts: { "node[1-3]": {} } });
  expect(() => configuredHosts({ hosts }).find("node[1-3]")).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('`lab: { range: "node[01-32]" }`') }),
  );
});

/** A world whose `ssh` is the given function; none where it is left out. */
function worldOf(options: { ssh?: (args: readonly string[]) => string; typed?: readonly string[] } = {}): World {
  return {
    home,
    cwd: home,
    platform: "linux",
    env: { USER: "me", PATH: "/nowhere" },
    clock: realClock,
    folders: { config: join(home, "c"), state: join(home, "s"), cache: join(home, "k") },
    terminal: fakeTerminal({ typed: options.typed }),
    spawn([program, ...args]: readonly string[]) {
      const child = Object.assign(new EventEmitter(), {
        stdout: new PassThrough(),
        stderr: new PassThrough(),
        kill: () => true,
      });
      queueMicrotask(() => {
        if (program !== "ssh" || !options.ssh) {
          return child.emit("error", Object.assign(new Error("not found"), { code: "ENOENT" }));
        }
        const probe = args.includes("none") ? `userknownhostsfile ${home}/.ssh/known_hosts\n` : options.ssh(args);
        child.stdout.end(probe);
        child.stdout.once("end", () => child.emit("close", 0));
      });
      return child;
    },
  } as unknown as World;
}

const nobody: Selection = {
  targets: [],
  hosts: [],
  hostsFile: undefined,
  all: false,
  tags: [],
  user: undefined,
  port: undefined,
  identities: [],
  acceptNew: false,
  sshConfig: true,
};

async function select(selection: Partial<Selection>, { world = worldOf(), config = {} } = {}) {
  const context = {
    world,
    signal: new AbortController().signal,
    config: () => Promise.resolve(Config.parse(config)),
  } as unknown as Context;
  const targets = await selectTargets(context, { ...nobody, ...selection });
  return targets.map((target) => {
    if (target.kind !== "host") throw new Error("nothing is rented here");
    return target;
  });
}

const addresses = async (...args: Parameters<typeof select>) =>
  (await select(...args)).map(({ login: { address } }) => `${address.user}@${address.host}:${address.port}`);

describe("a selection", () => {
  test("takes what a host does not say from the flags, and then from who and where one is", async () => {
    expect(await addresses({ hosts: ["a", "root@b", "c:23"] })).toEqual(["me@a:22", "root@b:22", "me@c:23"]);
    expect(await addresses({ hosts: ["a", "root@b", "c:23"], user: "you", port: 24 }))
      .toEqual(["you@a:24", "root@b:24", "you@c:23"]);
  });

  test("has each host once, in the order they were named, and no two of one name", async () => {
    const found = await select({ hosts: ["b", "a", "me@b:22", "b:23", "[::1]:22"] });
    expect(found.map(({ name }) => name)).toEqual(["me@b:22", "a", "me@b:23", "::1"]);
  });

  test("reads a file, and stdin, with comments and ranges", async () => {
    writeFileSync(join(home, "all.txt"), "# mine\n\nroot@a  # the first\n n[1-2]:23 \r\nlab\n");
    const config = { hosts: { lab: { range: "x[1-2]" } } };
    const all = ["root@a:22", "me@n1:23", "me@n2:23", "me@x1:22", "me@x2:22"];
    expect(await addresses({ hostsFile: "~/all.txt" }, { config })).toEqual(all);
    expect(await addresses({ hostsFile: "-" }, { world: worldOf({ typed: ["a", "#", "b:23"] }) }))
      .toEqual(["me@a:22", "me@b:23"]);
    writeFileSync(join(home, "bad.txt"), "a\n\nb:x\n");
    await expect(select({ hostsFile: "bad.txt" })).rejects.toThrow("`b:x` is not a host (bad.txt:3)");
    await expect(select({ hostsFile: "none.txt" })).rejects.toThrow("there is no file `none.txt`");
    if (process.platform !== "win32") {
      await expect(select({ hostsFile: "/dev/zero" })).rejects.toThrow("far too long for a list of hosts");
    }
    writeFileSync(join(home, "empty.txt"), "# nobody\n");
    await expect(select({ hostsFile: "empty.txt" })).rejects.toThrow("there is no host in `empty.txt`");
  });

  test("finds hosts of the configuration by name and by tag", async () => {
    const config = {
      hosts: {
        desk: { address: "192.0.2.9", user: "root", identity: "~/.ssh/desk", tags: { room: "1", of: "me" } },
        lab: { range: "n[1-2]", tags: { room: "1" } },
      },
    };
    expect(await addresses({ targets: ["desk", "lab"] }, { config })).toEqual([
      "root@192.0.2.9:22",
      "me@n1:22",
      "me@n2:22",
    ]);
    expect(await addresses({ hosts: ["you@desk:23"] }, { config })).toEqual(["you@192.0.2.9:23"]);
    expect((await select({ targets: ["desk"] }, { config }))[0]?.login).toMatchObject({
      identities: [join(home, ".ssh/desk")],
      identitiesOnly: true,
    });
    expect(await addresses({ targets: ["you@elsewhere"] }, { config })).toEqual(["you@elsewhere:22"]);
  });

  test("of several is none for what works on one", async () => {
    const context = { world: worldOf(), config: () => Promise.resolve(Config.parse({})) } as unknown as Context;
    await expect(selectTarget(context, { ...nobody, hosts: ["a", "b"] })).rejects.toThrow("2 machines are meant");
  });

  test("without a name of its own nobody logs in", async () => {
    const world = { ...worldOf(), env: {} };
    await expect(select({ hosts: ["a"] }, { world })).rejects.toThrow("nobody said as whom to log in");
  });
});

describe("the ssh configuration", () => {
  const configure = (...lines: readonly string[]) => writeFileSync(join(home, ".ssh/config"), `${lines.join("\n")}\n`);
  const only = async (...args: Parameters<typeof select>) => {
    const [target] = await select(...args);
    if (!target) throw new Error("nobody");
    return target.login;
  };

  test("is read by us where there is no ssh", async () => {
    writeFileSync(join(home, ".ssh/config.d/1.conf"), "Host in*\n  User included\n");
    configure(
      "# comment",
      "Include config.d/*.conf",
      "Host web-* !web-9",
      "  HostName %h.example.com",
      '  IdentityFile "~/.ssh/with space"',
      "  User=deploy",
      "  Port 2200",
      "Host web-1",
      "  User second",
      "  HostKeyAlias web",
      "  ConnectTimeout 7",
      "Host *",
      "  IdentityAgent none",
      "  ForwardAgent yes",
    );
    writeFileSync(join(home, ".ssh/with space"), "");
    expect(await only({ hosts: ["web-1"] })).toMatchObject({
      address: { host: "web-1.example.com", user: "deploy", port: 2200 },
      identities: [join(home, ".ssh/with space")],
      hostKeyAlias: "web",
      connectTimeoutMs: 7000,
      agent: null,
      knownHosts: [join(home, ".ssh/known_hosts"), join(home, ".ssh/known_hosts2"), ...system],
    });
    expect(await addresses({ hosts: ["web-9", "in", "web-2"] }))
      .toEqual(["me@web-9:22", "included@in:22", "deploy@web-2.example.com:2200"]);
    expect(await addresses({ hosts: ["web-1"], sshConfig: false })).toEqual(["me@web-1:22"]);
  });
  const system = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

  test("with `Match` is refused without an ssh, with the place", async () => {
    configure("Host a", "  User x", "Match exec true", "  User y");
    await expect(only({ hosts: ["a"] })).rejects.toThrow(
      `\`Match\` is understood by \`ssh\` alone, and none is installed (${home}/.ssh/config:3)`,
    );
    expect(await addresses({ hosts: ["a"], sshConfig: false })).toEqual(["me@a:22"]);
  });

  const asked: string[][] = [];
  const ssh = (args: readonly string[]) => {
    asked.push([...args]);
    return `host ${args.at(-1)}\nhostname ${args.at(-1)}\nuser deploy\nport 2200\nidentityfile ~/.ssh/one\n`;
  };

  test("is what ssh says, which is asked once for hosts of which the same is said, and not about others", async () => {
    configure(
      "Host node*",
      "  User deploy",
      "Host other",
      "  Port 23",
      "Host *",
      "  SendEnv LANG",
      "  HashKnownHosts yes",
    );
    asked.length = 0;
    const hosts = ["node[1-500]", "plain[1-500]"];
    const found = await addresses({ hosts }, { world: worldOf({ ssh }) });
    expect(found).toHaveLength(1000);
    expect([found[0], found[499], found[500]]).toEqual(["deploy@node1:2200", "deploy@node500:2200", "me@plain1:22"]);
    expect(asked).toEqual([["-G", "--", "node1"]]);
  });

  test("is asked about each where a token or `Match` may tell them apart, with what was said before the dashes", async () => {
    configure("Host node*", "  IdentityFile ~/.ssh/%n");
    asked.length = 0;
    await addresses({ hosts: ["root@node1:23", "node2"] }, { world: worldOf({ ssh }) });
    configure("Match exec true", "  User x");
    await addresses({ hosts: ["node1", "node2"] }, { world: worldOf({ ssh }) });
    expect(asked.toSorted()).toEqual([
      ["-G", "--", "node1"],
      ["-G", "--", "node2"],
      ["-G", "--", "node2"],
      ["-G", "-l", "root", "-p", "23", "--", "node1"],
    ]);
  });

  test("never gives a host a name that a shell or a terminal would obey", async () => {
    configure("Host a", "  HostName $(id)");
    await expect(only({ hosts: ["a"] })).rejects.toThrow("gives `a` a name that is none");
  });
});

test.each([
  ["  Host a b", ["Host", "a", "b"]],
  ["Host=a", ["Host", "a"]],
  ['IdentityFile = "a b" # said', ["IdentityFile", "a b"]],
  ["ProxyCommand nc -x 'a b' %h # %p", ["ProxyCommand", "nc -x 'a b' %h # %p"]],
  ["# Host a", []],
  ["", []],
])("%p of a configuration", (line, words) => expect(splitLine(line)).toEqual(words));

test.each([
  ["a.example", ["*.example"], true],
  ["a.example", ["*.example", "!a.*"], false],
  ["a", ["?"], true],
  ["ab", ["?"], false],
  ["a", ["!a"], false],
  ["a", ["!b"], false],
  ["[::1]:22", ["[::1]:*"], true],
  ["a".repeat(5000), ["*a".repeat(50) + "b"], false],
])("%p against %p: %p", (name, patterns, isMatch) => expect(matchesPatterns(name, patterns)).toBe(isMatch));

test("lines of known_hosts that say nothing are passed over", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
  const text = `# x\n\nname\nname ssh-rsa ${
    key.split(" ")[1]
  }\n@nonsense name ${key}\nname 1024 35 123\n|1|x name ${key}\nName ${key}\r\n`;
  const lines = parseKnownHosts(text, "known_hosts");
  expect(lines.map(({ line }) => line)).toEqual([8]);
  expect(lines[0]?.matches("name")).toBeTrue();
});
