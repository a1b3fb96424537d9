import { describe, expect, test } from "bun:test";
import { UsageError } from "../../src/errors.ts";
import { isLoopback, parseForward, parseReverse, parseSocks, resolveForward } from "../../src/ssh/forward.ts";
import { quote } from "../../src/quote.ts";

const services = { ci: { host: "ci", port: 8000 }, agent: { host: "127.0.0.1", port: 8080 } };

describe("a forward", () => {
  test.each([
    ["8000:8001", "127.0.0.1", 8000, "localhost", 8001],
    ["0:ci", "127.0.0.1", 0, "ci", 8000],
    ["8080:agent", "127.0.0.1", 8080, "127.0.0.1", 8080],
    ["8000:db.lab:5432", "127.0.0.1", 8000, "db.lab", 5432],
    ["0.0.0.0:8000:8001", "0.0.0.0", 8000, "localhost", 8001],
    ["*:8000:8001", "0.0.0.0", 8000, "localhost", 8001],
    ["localhost:0:ci", "localhost", 0, "ci", 8000],
    ["[::1]:8000:[fe80::1]:22", "::1", 8000, "fe80::1", 22],
    ["8000:[::1]:22", "127.0.0.1", 8000, "::1", 22],
    ["10.0.0.1:8000:db:65535", "10.0.0.1", 8000, "db", 65535],
  ])("%s", (text, bind, localPort, remoteHost, remotePort) => {
    expect(resolveForward(parseForward(text), services)).toEqual({
      kind: "local",
      bind,
      localPort,
      remoteHost,
      remotePort,
    });
  });

  test.each([
    "",
    "8000",
    "ci",
    ":8000",
    "8000:",
    "8000:0",
    "8000:65536",
    "65536:80",
    "-1:80",
    "8000:web",
    "8000:80:81",
    "a:b:c:d:e",
    "1:2:3:4",
    "8000:host:ci",
    "[::1:8000:80",
    "::1:8000:80",
    "a b:8000:80",
    "8000:$(x):80",
    "0x50:80",
    "1e3:80",
  ])("`%s` is refused with what is right", (text) => {
    expect(() => parseForward(text)).toThrow(UsageError);
    expect(() => parseForward(text)).toThrow(`the forward \`${text}\``);
  });
});

describe("a reverse forward", () => {
  test.each([
    ["9000:3000", "127.0.0.1", 9000, "127.0.0.1", 3000],
    ["0:3000", "127.0.0.1", 0, "127.0.0.1", 3000],
    ["*:80:3000", "0.0.0.0", 80, "127.0.0.1", 3000],
    ["80:db.lab:5432", "127.0.0.1", 80, "db.lab", 5432],
    ["[::1]:80:[::1]:8080", "::1", 80, "::1", 8080],
  ])("%s", (text, remoteHost, remotePort, bind, localPort) => {
    expect(parseReverse(text)).toEqual({ kind: "reverse", remoteHost, remotePort, bind, localPort });
  });

  test.each(["", "80", "80:0", "80:ci", "65536:80", "a b:80:80", "80:80:80"])("`%s` is refused", (text) => {
    expect(() => parseReverse(text)).toThrow(`the reverse forward \`${text}\``);
  });
});

describe("a place for SOCKS", () => {
  test.each([
    ["1080", "127.0.0.1", 1080],
    ["0", "127.0.0.1", 0],
    ["[::1]:1080", "::1", 1080],
    ["*:1080", "0.0.0.0", 1080],
  ])("%s", (text, bind, localPort) => {
    expect(parseSocks(text)).toMatchObject({ kind: "socks", bind, localPort });
  });

  test.each(["", "x", "1:2:3", ":1080", "65536", "$(x):1"])("`%s` is refused", (text) => {
    expect(() => parseSocks(text)).toThrow(UsageError);
  });
});

test.each([
  ["127.0.0.1", true],
  ["127.8.8.8", true],
  ["::1", true],
  ["localhost", true],
  ["0.0.0.0", false],
  ["::", false],
  ["10.0.0.1", false],
  ["127.0.0.1.example.com", false],
])("`%s` is this computer alone: %p", (bind, isAlone) => {
  expect(isLoopback(bind)).toBe(isAlone);
});

test("quoted words come back from a shell as they were", () => {
  const words = [
    "plain",
    "",
    "two words",
    "it's",
    "$HOME",
    "`id`",
    "a\nb",
    "*",
    "~",
    "-n",
    "\\",
    "é",
    "a;b",
    "!x",
    '"',
  ];
  const { stdout } = Bun.spawnSync(["sh", "-c", `printf '%s\\0' ${quote(words)}`]);
  expect(stdout.toString().split("\0").slice(0, -1)).toEqual(words);
});
