import { describe, expect, test } from "bun:test";
import { Capture, Room, wholeCharacters } from "../../src/exec/capture.ts";
import { fileName } from "../../src/exec/files.ts";
import { FirstLine } from "../../src/exec/first-line.ts";
import { prefixedLines } from "../../src/exec/harmless.ts";
import { inPool } from "../../src/exec/pool.ts";
import { foldNames } from "../../src/exec/ranges.ts";
import { buildCommand, parseEnvironment, parseScript } from "../../src/exec/request.ts";
import { type Ended, summaryLines } from "../../src/exec/summary.ts";
import { hiddenAhead } from "../../src/exec/terminal-ahead.ts";

test.each([
  [["node01", "node02", "node03", "db"], "db,node[01-03]"],
  [["n1", "n2", "n10", "n9"], "n[1-2,9-10]"],
  [["n1", "n01", "n02"], "n[1,01-02]"],
  [["a1.lab", "a2.lab", "b1.lab"], "a[1-2].lab,b1.lab"],
  [["r1n1", "r1n2", "r2n1", "r2n2", "r2n3"], "r1n[1-2],r2n[1-3]"],
  [["127.0.1.1", "127.0.1.2", "127.0.1.100"], "127.0.1.[1-2,100]"],
  [["n098", "n099", "n100"], "n[098-100]"],
  [["one"], "one"],
  [[], ""],
])("%p as few words: %p", (names, folded) => {
  expect(foldNames(names)).toBe(folded);
});

test.each(["../../etc/passwd", "root@n1:22", "..", "a/b\0c\n", "con", "-rf", "[::1]", ""])(
  "the file for %p leads nowhere else",
  (host) => {
    const name = fileName(host, new Set());
    expect(name).toMatch(/^[A-Za-z0-9_@][A-Za-z0-9._@,+~-]*$/);
    expect(name).not.toMatch(/^(con|\.+)$/);
  },
);

test("two hosts never share a file, on a system without capitals neither", () => {
  const taken = new Set<string>();
  expect(["a/b", "a:b", "A_B"].map((host) => fileName(host, taken))).toEqual(["a_b", "a_b~2", "A_B~3"]);
});

describe("lines behind a prefix", () => {
  const lines = (bytes: string | Buffer, isTTY = false) =>
    Buffer.from(prefixedLines(Buffer.from(bytes), { prefix: "n: ", isTTY })).toString("latin1");

  test("keep what is harmless", () => {
    expect(lines("a\n\tb\n\nc")).toBe("n: a\nn: \tb\nn: \nn: c");
    expect(Buffer.from(lines("né\n"), "latin1").toString()).toBe("n: né\n");
  });

  test("lose what moves the cursor, and no colour is left on for the next machine", () => {
    expect(lines("\x1b]0;title\x07a\x1b[2Jb\rc\n")).toBe("n: abc\n");
    expect(lines("\x1b[31mred\n\x1b[31mred\x1b[0m\n")).toBe("n: \x1b[31mred\x1b[0m\nn: \x1b[31mred\x1b[0m\n");
    expect(lines("\x1b]0;without an end\nnext\n")).toBe("n: \nn: next\n");
  });

  test("that are not UTF-8 keep their bytes but on a terminal, where they could be commands", () => {
    const bytes = Buffer.from([0xff, 0x9b, 0x41, 0x00, 0x0a]);
    expect(lines(bytes)).toBe("n: \xff\x9bA\n");
    expect(Buffer.from(lines(bytes, true), "latin1").toString()).toBe("n: \ufffd\ufffdA\n");
    expect(lines(Buffer.from([0xff, 0xc2, 0x9b, 0x41, 0x0a]))).toBe("n: \xffA\n");
  });
});

test("a character that is cut in two waits for its end", () => {
  const bytes = Buffer.from("a€");
  expect([1, 2, 3, 4].map((length) => wholeCharacters(bytes.subarray(0, length)).length)).toEqual([1, 1, 1, 4]);
});

test("output is kept as far as there is room, and says where there was none", () => {
  const room = new Room(10);
  const [one, two] = [new Capture(room), new Capture(room)];
  one.add("stdout", Buffer.from("12345678"));
  two.add("stderr", Buffer.from("abcé"));
  expect(one.text()).toEqual({ stdout: "12345678", stderr: "", encoding: "utf8", truncated: false });
  expect(two.text()).toEqual({ stdout: "", stderr: "ab", encoding: "utf8", truncated: true });
  one.release();
  const three = new Capture(room);
  for (const byte of "123456789") three.add("stdout", Buffer.from(byte));
  expect(three.text()).toMatchObject({ stdout: "12345678", truncated: true });
});

test("the first line of errors says why, of the output where there are none", () => {
  const first = new FirstLine();
  first.add("stdout", Buffer.from("\n\n  fi"));
  first.add("stdout", Buffer.from("rst\nsecond\n"));
  expect(first.text).toBe("first");
  first.add("stderr", Buffer.from("\x1b[31mbad\x1b[0m\x07\n"));
  expect(first.text).toBe("bad");
});

test("a pool gives results as they come and leaves nothing running behind", async () => {
  const seen: number[] = [];
  let running = 0;
  const work = async (item: number) => {
    running++;
    await Bun.sleep(item);
    running--;
    return item;
  };
  for await (const result of inPool([30, 10, 20, 5], 2, work)) seen.push(result);
  expect(seen).toEqual([10, 30, 20, 5]);
  for await (const _ of inPool([1, 50, 50, 50], 2, work)) break;
  expect(running).toBe(0);
  const failing = Array.fromAsync(inPool([1, 2], 1, () => Promise.reject(new Error("of ours"))));
  await expect(failing).rejects.toThrow("of ours");
});

describe("what is sent", () => {
  test("names no value and no script in the command", () => {
    const script = { text: "echo secret-script", interpreter: "sh" };
    const { command, ahead } = buildCommand({ line: "a", script, environment: { KEY: "secret-value" } });
    expect(command).not.toContain("secret");
    expect(ahead).toContain("secret-script");
    expect(ahead).toContain("secret-value");
  });

  test("is read back by a shell as it was meant", () => {
    const { command, ahead } = buildCommand({
      line: 'echo "$A|$PWD|$(cat)" # a comment',
      cwd: "/tmp",
      environment: { A: "it's $HOME\n\\" },
    });
    for (const shell of ["sh", "bash"]) {
      const { stdout } = Bun.spawnSync([shell, "-c", command], { stdin: Buffer.from(`${ahead}rest`) });
      expect(stdout.toString()).toBe("it's $HOME\n\\|/tmp|rest\n");
    }
  });

  test("a folder that is not there ends it before it begins", () => {
    const { command } = buildCommand({ line: "echo never", cwd: "/does/not/exist" });
    expect(Bun.spawnSync(["sh", "-c", command], { stderr: "ignore" }).stdout.toString()).toBe("");
  });

  test("a script has what its first line says, its arguments, and a stdin of its own", () => {
    const script = parseScript('#!/bin/sh -u\nprintf "%s;" "$@"; cat; exit 6', { name: "s" });
    const { command, ahead } = buildCommand({ line: "'a b' '$c'", script });
    const { stdout, exitCode } = Bun.spawnSync(["sh", "-c", command], { stdin: Buffer.from(`${ahead}rest`) });
    expect([stdout.toString(), exitCode]).toEqual(["a b;$c;rest", 6]);
  });

  test("scripts name their interpreter as for execve, or are for sh", () => {
    const of = (text: string, shell?: string) => parseScript(text, { name: "s", shell }).interpreter;
    expect(of("#!/usr/bin/env python3\r\n")).toBe("/usr/bin/env python3");
    expect(of("#! /usr/bin/env -S deno run\n")).toBe("/usr/bin/env '-S deno run'");
    expect(of("echo")).toBe("sh");
    expect(of("#!/bin/sh", "bash -x")).toBe("bash -x");
    expect(() => of("\0")).toThrow("is not text");
  });

  test("a variable without a value has the one it has here", () => {
    expect(parseEnvironment(["A=1=2", "B", "C="], { B: "b" })).toEqual({ A: "1=2", B: "b", C: "" });
    expect(() => parseEnvironment(["NOT"], {})).toThrow("has no value");
    expect(() => buildCommand({ line: "", environment: { "A;B": "" } })).toThrow("is not a name");
  });
});

describe("on a terminal", () => {
  const open = (asksFirst: boolean) => {
    const shown: string[] = [];
    const typed = Promise.withResolvers<void>();
    async function* input() {
      yield Buffer.from("early ");
      await typed.promise;
      yield Buffer.from("late");
    }
    const streams = hiddenAhead({
      ...{ ahead: "SECRET ", ready: "ready!", asksFirst, input: input() },
      onStdout: (chunk) => Promise.resolve(void shown.push(Buffer.from(chunk).toString())),
    });
    return { ...streams, shown, typed };
  };
  const textOf = async (stdin: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(stdin)).toString();

  test("the word that says it is ready is never shown, however it comes", async () => {
    const { onStdout, stdin, shown, typed } = open(false);
    for (const piece of ["rea", "lly? re", "ad", "y!after", "wards ready!"]) await onStdout(Buffer.from(piece));
    typed.resolve();
    expect(shown.join("")).toBe("really? afterwards ready!");
    expect(await textOf(stdin)).toBe("SECRET early late");
  });

  test("what is typed before answers what is asked before", async () => {
    const { onStdout, stdin, typed } = open(true);
    const sent = textOf(stdin);
    await Bun.sleep(1);
    await onStdout(Buffer.from("ready!"));
    await Bun.sleep(1);
    typed.resolve();
    expect(await sent).toBe("early SECRET late");
  });
});

test("failures that read the same are one line, and no more than 20 kinds are told", () => {
  const ended = (host: string, more: Partial<Ended>): Ended => ({
    ...{ host, status: "failed", exitCode: 1, signal: null, truncated: false, reason: "" },
    ...more,
  });
  expect(summaryLines([
    ended("n1", { reason: "no disk" }),
    ended("n2", { reason: "no disk" }),
    ended("n3", { signal: "SIGKILL", exitCode: 137 }),
    ended("n4", { status: "ok", exitCode: 0, truncated: true }),
    ended("n5", { status: "unreachable", exitCode: null, reason: "nobody answers" }),
    ended("n6", { status: "interrupted", exitCode: null, reason: "interrupted" }),
    ended("n7", { exitCode: null, reason: "cannot write the output: the disk is full" }),
  ], 1234)).toEqual([
    "failed: n[1-2] (exit 1): no disk",
    "failed: n3 (SIGKILL)",
    "failed: n7: cannot write the output: the disk is full",
    "unreachable: n5: nobody answers",
    "interrupted: n6",
    "warning: too much output, cut off: n4; `--output-dir` keeps all of it",
    "1 ok, 4 failed, 1 unreachable, 1 interrupted in 1.2 s",
  ]);
  const many = Array.from({ length: 30 }, (_, index) => ended(`n${index}`, { reason: `odd ${index}` }));
  expect(summaryLines(many, 0).slice(-2)).toEqual(["and 10 other failures", "30 failed"]);
});
