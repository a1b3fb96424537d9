import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InterruptedError } from "../../src/errors.ts";
import { hostFlags, type Lab, mostHosts, openLab, processesWith } from "./exec-fixture.ts";
import { freePort } from "./sshd.ts";

// A test that is over its time takes the servers of all others with it, and a busy computer is slow.
setDefaultTimeout(30_000);

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab?.[Symbol.asyncDispose]());

const inLab = (name: string) => join(lab.sshd.folder, name);
const names = (count: number) => Array.from({ length: count }, (_, index) => `127.0.1.${index + 1}`);

/** Which of the machines it is, for a command that does not do the same everywhere. */
const own = "${SSH_CONNECTION% *}";

async function until(isSo: () => boolean): Promise<void> {
  for (let left = 200; !isSo(); left--) {
    if (left === 0) throw new Error("it did not become so");
    await Bun.sleep(20);
  }
}

describe("many hosts", () => {
  test("each line is one machine's, whole and in its order", async () => {
    const { code, stdout } = await lab.onMany(mostHosts, ["--", "seq 3000"]);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    for (const name of names(mostHosts)) {
      const its = lines.filter((line) => line.startsWith(`${name}: `)).map((line) =>
        Number(line.slice(name.length + 2))
      );
      expect(its).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
    }
    expect(lines.length).toBe(3000 * mostHosts);
  });

  test("no more run at once than is asked for", async () => {
    mkdirSync(inLab("running"));
    const command = `cd ${inLab("running")}; touch $$; ls | wc -l; sleep 0.1; rm $$`;
    const { stdout } = await lab.onMany(8, ["--jobs", "3", "--", command]);
    const counts = stdout.trim().split("\n").map((line) => Number(line.split(": ")[1]));
    expect(counts.length).toBe(8);
    expect(Math.max(...counts)).toBeLessThanOrEqual(3);
    expect(Math.max(...counts)).toBeGreaterThan(1);
  });

  test("what failed, what is not there and what is well are told apart, in text and in JSON", async () => {
    const closed = `${lab.sshd.address.user}@127.0.1.9:${await freePort()}`;
    const argv = [...hostFlags([...lab.specs.slice(0, 3), closed])];
    const command = `case ${own} in *127.0.1.2*) echo broken >&2; exit 7;; esac`;
    const text = await lab.exec([...argv, "--", command]);
    expect(text.code).toBe(1);
    expect(text.stderr).toContain("failed: 127.0.1.2 (exit 7): broken\nunreachable: 127.0.1.9: nothing answers SSH");
    expect(text.stderr).toContain("2 ok, 1 failed, 1 unreachable");
    const { objects } = await lab.exec([...argv, "--json", "--", command]);
    expect(objects.map(({ host, status, exitCode }) => `${host} ${status} ${exitCode}`).toSorted()).toEqual([
      "127.0.1.1 ok 0",
      "127.0.1.2 failed 7",
      "127.0.1.3 ok 0",
      "127.0.1.9 unreachable null",
    ]);
  });

  test("identical output is printed once, the largest group first", async () => {
    const { stdout } = await lab.onMany(5, [
      "--fold",
      "--",
      `case ${own} in *127.0.1.3*) echo odd;; *) echo even;; esac`,
    ]);
    expect(stdout).toBe("127.0.1.[1-2,4-5] (4):\neven\n127.0.1.3:\nodd\n");
  });

  test("--output-dir keeps bytes as they are, for their owner only, and follows no link that lies there", async () => {
    const folder = inLab("out");
    const bytes = "printf 'a\\0\\377b'; printf 'no newline' >&2";
    expect((await lab.onMany(2, ["--output-dir", folder, "--", bytes])).code).toBe(0);
    expect(readdirSync(folder).toSorted()).toEqual([
      "127.0.1.1.err",
      "127.0.1.1.out",
      "127.0.1.2.err",
      "127.0.1.2.out",
    ]);
    expect([...readFileSync(join(folder, "127.0.1.2.out"))]).toEqual([97, 0, 255, 98]);
    expect(readFileSync(join(folder, "127.0.1.2.err"), "utf8")).toBe("no newline");
    mkdirSync(inLab("trap"));
    writeFileSync(inLab("victim"), "precious");
    symlinkSync(inLab("victim"), inLab("trap/127.0.1.1.out"));
    expect((await lab.onMany(2, ["--output-dir", inLab("trap"), "--", "echo mine"])).code).toBe(1);
    expect(readFileSync(inLab("victim"), "utf8")).toBe("precious");
  });

  test("nothing that a machine prints moves the cursor or looks like another machine", async () => {
    const { stdout } = await lab.onMany(2, [
      "--",
      "printf '\\033]0;title\\007\\033[2J\\r127.0.1.9: x\\n\\033[31mred\\n\\377\\n'",
    ]);
    const bytes = Buffer.from(stdout).toString();
    expect(bytes).not.toMatch(/\x1b\]|\x1b\[2J|\r/);
    for (const line of bytes.trim().split("\n")) expect(line).toMatch(/^127\.0\.1\.[12]: /);
    expect(bytes).toContain("\x1b[31mred\x1b[0m\n");
  });
});

describe("stdin", () => {
  const bytes = randomBytes(5_000_000);
  const hash = createHash("sha256").update(bytes).digest("hex");
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001);
  }

  test.each([["all at once", 4], ["one after the other", 1], ["some later than others", 3]])(
    "is read once and goes to every machine whole: %s",
    async (_, jobs) => {
      const { code, stdout } = await lab.onMany(4, ["--jobs", `${jobs}`, "--stdin", "--", "sha256sum"], {
        stdin: pieces(),
      });
      expect(code).toBe(0);
      expect(stdout.match(new RegExp(hash, "g"))?.length).toBe(4);
      const cache = join(lab.owner.home, "cache");
      expect(existsSync(cache) ? readdirSync(cache) : []).toEqual([]);
    },
  );

  test("is read no faster than the slowest machine takes it, and one that takes nothing holds up nobody for ever", async () => {
    let read = 0;
    async function* endless() {
      for (;;) {
        read += 65_536;
        yield new Uint8Array(65_536);
      }
    }
    const command = `case ${own} in *127.0.1.1\\ *) sleep 0.5;; *) head -c 30000000 | wc -c;; esac`;
    const { stdout } = await lab.onMany(2, ["--stdin", "--", command], { stdin: endless() });
    expect(stdout).toContain("127.0.1.2: 30000000");
    expect(read).toBeLessThan(60_000_000);
  });

  test("is empty where it is not asked for", async () => {
    expect((await lab.onMany(2, ["--", "wc -c"], { stdin: pieces() })).stdout.match(/: 0$/gm)?.length).toBe(2);
  });
});

describe("the end of a command", () => {
  /** Ignores TERM, and so does what it started in a session of its own. */
  const stubborn = (seconds: number) =>
    `trap '' TERM; setsid sh -c "trap '' TERM; sleep ${seconds}.1" & sleep ${seconds}`;

  test("--timeout ends it with all that it started, also where it does not listen", async () => {
    const { code, objects } = await lab.onMany(2, ["--timeout", "300ms", "--json", "--", stubborn(61)]);
    expect(code).toBe(1);
    expect(objects.map(({ status, exitCode }) => [status, exitCode])).toEqual([["timeout", null], ["timeout", null]]);
    await until(() => processesWith("sleep 61").length === 0);
    expect((await lab.onMany(1, ["--timeout", "300ms", "--", "sleep 60"])).code).toBe(124);
  });

  test("Ctrl-C ends all of it, and what had not begun is never begun", async () => {
    const interrupt = new AbortController();
    const running = lab.onMany(4, ["--jobs", "2", "--json", "--", `touch ${inLab("began")}-$$; ${stubborn(62)}`], {
      signal: interrupt.signal,
    });
    const begun = () => readdirSync(lab.sshd.folder).filter((name) => name.startsWith("began")).length;
    await until(() => begun() === 2);
    interrupt.abort(new InterruptedError());
    const { code, objects } = await running;
    expect(code).toBe(130);
    expect(objects.map(({ status }) => status)).toEqual(Array(4).fill("interrupted"));
    expect(begun()).toBe(2);
    await until(() => processesWith("sleep 62").length === 0);
  });

  test("--fail-fast ends the others, there too", async () => {
    const command = `case ${own} in *127.0.1.2*) sleep 0.3; exit 1;; *) sleep 63;; esac`;
    const { code, stderr } = await lab.onMany(3, ["--fail-fast", "--", command]);
    expect(code).toBe(1);
    expect(stderr).toContain("interrupted: 127.0.1.[1,3]: ended because of `127.0.1.2`");
    await until(() => processesWith("sleep 63").length === 0);
  });

  test("output that comes after the exit is not lost", async () => {
    const { stdout } = await lab.onMany(2, ["--", "(sleep 0.3; echo late) & echo now"]);
    expect(stdout.match(/late/g)?.length).toBe(2);
  });
});

describe("what is tried again", () => {
  test("a login that nobody answers is, a command that may have run is not", async () => {
    await using own = await openLab();
    await own.sshd.kill();
    const count = join(own.sshd.folder, "count");
    const running = own.onMany(2, ["--retry", "5", "--json", "--", `echo x >> ${count}; kill -KILL $PPID; sleep 5`]);
    await Bun.sleep(300);
    await own.sshd.start();
    const { code, objects } = await running;
    expect(code).toBe(1);
    expect(objects.map(({ status }) => status)).toEqual(["unreachable", "unreachable"]);
    expect(objects.every(({ error }) => String(error).includes("was lost"))).toBe(true);
    expect(readFileSync(count, "utf8")).toBe("x\nx\n");
  });

  test("--connect-timeout is for a host that says nothing", async () => {
    using silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { code, stderr } = await lab.exec([
      "--host",
      `x@127.0.0.1:${silent.port}`,
      "--connect-timeout",
      "200ms",
      "--",
      "true",
    ]);
    expect(code).toBe(255);
    expect(stderr).toContain("did not let us in within 0.2 s");
  });
});

describe("what a command gets", () => {
  test("values of --env are in no list of processes there, and come unchanged", async () => {
    const value = `it's "$HOME" \\ two  spaces`;
    const { stdout } = await lab.onMany(2, [
      "--env",
      "ODD",
      "--cwd",
      "~/",
      "--",
      'printf "%s\\n" "$ODD"; pwd; ps axww | grep -c "[t]wo  spaces"',
    ], {
      env: { ODD: value },
    });
    expect(stdout.match(/^127\.0\.1\.1: (.*)$/gm)).toEqual([
      `127.0.1.1: ${value}`,
      `127.0.1.1: ${lab.sshd.folder}`,
      "127.0.1.1: 0",
    ]);
  });

  test("--script runs what its first line says, with its arguments and a stdin of its own, and leaves nothing", async () => {
    const script = inLab("script");
    writeFileSync(script, '#!/usr/bin/env -S perl -w\nprint "@ARGV|", <STDIN>; exit 5;\n');
    const before = readdirSync("/tmp").length;
    async function* typed() {
      yield Buffer.from("from here\n");
    }
    const ran = await lab.onMany(1, ["--script", script, "--json", "--", "a b", "$c"], { stdin: typed() });
    expect(ran.objects[0]).toMatchObject({ stdout: "a b $c|from here\n", exitCode: 5 });
    expect(readdirSync("/tmp").length - before).toBeLessThanOrEqual(0);
    writeFileSync(script, `#!/bin/sh\n${"# a long one\n".repeat(8000)}echo last; cat`);
    const long = await lab.onMany(2, ["--script", script, "--stdin"], { stdin: typed() });
    expect(long.stdout.match(/: last\n|: from here\n/g)?.length).toBe(4);
    writeFileSync(script, "print(6 * 7)");
    expect((await lab.onMany(2, ["--script", script, "--shell", "python3 -q"])).stdout).toContain("127.0.1.2: 42\n");
  });
});

describe("sudo", () => {
  /** Takes one password, asks for it again where it is wrong, as sudo does, and has the environment forgotten. */
  function pretendSudo({ password }: { password: string | undefined }): void {
    mkdirSync(inLab("bin"), { recursive: true });
    const ask =
      `while IFS= read -r given; do [ "$given" = "${password}" ] && break; tries=x$tries; [ $tries = xxx ] && exit 1; done
[ "$given" = "${password}" ] || exit 1`;
    writeFileSync(
      inLab("bin/sudo"),
      `#!/bin/bash
echo "$*" >> ${inLab("sudo-seen")}
for word; do
  case $word in
    -n) ${password === undefined ? ":" : "echo 'sudo: a password is required' >&2; exit 1"};;
    -S) ${ask};;
    -p) ;;
    -v) exit 0;;
    -*) ;;
    "") ;;
    *) break;;
  esac
  shift
done
while [ "$1" != sh ] && [ $# -gt 0 ]; do shift; done
exec env -i PATH="$PATH" SHELL=/bin/sh AS=root "$@"
`,
    );
    chmodSync(inLab("bin/sudo"), 0o755);
  }

  test("runs as root without a password where that is allowed, with its environment and stdin", async () => {
    pretendSudo({ password: undefined });
    async function* typed() {
      yield Buffer.from("typed");
    }
    const { stdout, code } = await lab.onMany(
      2,
      ["--sudo", "--env", "A=1 2", "--stdin", "--", 'echo "$AS $A $(cat)"'],
      {
        stdin: typed(),
      },
    );
    expect([code, stdout.split("\n").toSorted()]).toEqual([0, [
      "",
      "127.0.1.1: root 1 2 typed",
      "127.0.1.2: root 1 2 typed",
    ]]);
  });

  test("with a password says that nobody can be asked, and has not failed as the command would", async () => {
    pretendSudo({ password: "secret" });
    const { code, objects } = await lab.onMany(1, ["--sudo", "--json", "--", "true"]);
    expect(code).toBe(1);
    expect(objects[0]).toMatchObject({ status: "failed", exitCode: null });
    expect(String(objects[0]?.error)).toContain("nobody can be asked");
  });

  test("what runs as somebody else ends with --timeout too", async () => {
    pretendSudo({ password: undefined });
    const { objects } = await lab.onMany(1, ["--sudo", "--timeout", "300ms", "--json", "--", "trap '' TERM; sleep 64"]);
    expect(objects[0]?.status).toBe("timeout");
    await until(() => processesWith("sleep 64").length === 0);
  });
});
