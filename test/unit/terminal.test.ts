import { describe, expect, test } from "bun:test";
import { render } from "../../src/terminal/render.ts";
import { safeText } from "../../src/safe-text.ts";

describe("text from elsewhere", () => {
  test.each([
    ["colours stay", "\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"],
    ["titles go", "a\x1b]0;owned\x07b", "ab"],
    ["clipboard writes go", "a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"],
    ["an unended sequence goes with its line", "a\x1b]0;never", "a"],
    ["cursor moves and erasing go", "a\x1b[2J\x1b[1;1Hb", "ab"],
    ["a carriage return cannot rewrite a line", "safe\revil", "safeevil"],
    ["eight-bit control codes go", "a\x9b31mb", "a31mb"],
    ["newlines and tabs stay", "a\n\tb", "a\n\tb"],
  ])("%s", (_, text, safe) => {
    expect(safeText(text)).toBe(safe);
  });
});

describe("a table", () => {
  const table = { columns: ["id", "name"], rows: [["i-1", "世界"], ["i-22", "b\tc\nd"]] };

  test("is aligned under a header on a terminal", () => {
    expect(render(table, { isTTY: true, color: false })).toEqual([
      { to: "stdout", chunk: "ID    NAME\ni-1   世界\ni-22  b c d\n" },
    ]);
  });

  test("is tab-separated without a header in a pipe, one row a line", () => {
    expect(render(table, { isTTY: false, color: false })).toEqual([{
      to: "stdout",
      chunk: "i-1\t世界\ni-22\tb c d\n",
    }]);
  });

  test("without rows says so on stderr", () => {
    expect(render({ columns: ["id"], rows: [], empty: "no instances" }, { isTTY: true, color: false })).toEqual([
      { to: "stderr", chunk: "no instances\n" },
    ]);
  });
});
