import { describe, expect, test } from "bun:test";
import { keyAgeWarning } from "../../src/ci/client/key-age.ts";
import { LogText } from "../../src/terminal/log-text.ts";

describe("a job's output", () => {
  const shown = (pieces: readonly string[], isColored = true) => {
    const text = new LogText({ isColored });
    return pieces.map((piece) => text.write(piece)).join("") + text.end();
  };

  test.each([
    ["plain\ttext – é\n", "plain\ttext – é\n"],
    ["\x1b[1;31mred\x1b[0m\n", "\x1b[1;31mred\x1b[0m\n"],
    ["\x1b]0;title\x07a\n", "a\n"],
    ["\x1b]52;c;c2VjcmV0\x1b\\a\n", "a\n"],
    ["\x1b]8;;http://evil\x07link\x1b]8;;\x07\n", "link\n"],
    ["\x1bP+q544e\x1b\\a\x1b_x\x1b\\b\x1b^y\x1b\\c\x1bXz\x1b\\d\n", "abcd\n"],
    ["a\x1b[2J\x1b[H\x1b[?1049h\x1b[>4;2m\x1b[6nb\n", "ab\n"],
    ["\x1bc\x1b7\x1b8\x1b(0\x1b#8x\n", "x\n"],
    ["\x9b2Ja\x9d0;t\x07\x07\x08\x7f\x0e\n", "2Ja0;t\n"],
    ["10%\r20%\r\r30%\r\n\rnext\n", "10%\n20%\n30%\nnext\n"],
    ["an open string \x1b]0;title\nis not the next line's\n", "an open string \nis not the next line's\n"],
  ])("%j is shown as %j, however it is cut", (given, expected) => {
    expect(shown([given])).toBe(expected);
    expect(shown([...given])).toBe(expected);
    for (let at = 1; at < given.length; at++) expect(shown([given.slice(0, at), given.slice(at)])).toBe(expected);
  });

  test("has no colours where none are wanted, and leaves none on", () => {
    expect(shown(["\x1b[1;31mred\x1b[0m\n"], false)).toBe("red\n");
    expect(shown(["\x1b[31mred\n"])).toBe("\x1b[31mred\n\x1b[0m");
  });

  test("of a string without an end is not kept for ever", () => {
    const text = new LogText({ isColored: true });
    text.write("\x1b]0;");
    let given = 0;
    for (; given < 100 && text.write("x".repeat(1000)) === ""; given++);
    expect(given).toBeLessThan(10);
    expect(text.write("after\n")).toBe("after\n");
  });

  test("comes at once: nothing of it waits but the beginning of a command", () => {
    const text = new LogText({ isColored: true });
    expect(text.write("no newline yet")).toBe("no newline yet");
    expect(text.write("\x1b[31mred\x1b[")).toBe("\x1b[31mred");
    expect(text.write("0mx")).toBe("\x1b[0mx");
  });
});

describe("a key", () => {
  const now = Date.parse("2026-06-01T12:00:00Z");
  const warning = (age: { created?: string; expires?: string }) =>
    keyAgeWarning({ created: age.created, expires: age.expires }, now)?.replace(/;.*/, "");

  test.each([
    [{}, undefined],
    [{ created: "2026-01-01T00:00:00Z", expires: "2026-07-01T00:00:00Z" }, undefined],
    [{ expires: "2026-06-05T13:00:00Z" }, "warning: the API key for the CI server ends in 4 days"],
    [{ expires: "2026-06-02T13:00:00Z" }, "warning: the API key for the CI server ends in 1 day"],
    [{ expires: "2026-06-01T13:00:00Z" }, "warning: the API key for the CI server ends today"],
    [{ expires: "2026-05-01T13:00:00Z" }, "warning: the API key for the CI server has ended"],
    [{ created: "2025-05-27T12:00:00Z" }, "warning: the API key for the CI server is 370 days old"],
    [{ created: "nonsense", expires: "soon" }, undefined],
  ])("%j: %p", (age, said) => expect(warning(age)).toBe(said));
});
