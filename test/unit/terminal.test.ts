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

describe("a table that is too wide", () => {
  const table = {
    columns: ["id", "type", "state", "free in", "note"],
    rows: [["i-1", "gpu_1x_h100", "running", "us-west-1 +2", "世界世界"], ["i-22", "gpu_1x_a10", "booting", "-", "-"]],
    narrow: [{ column: "note" }, { column: "free in", min: 9 }, { column: "type", min: 6 }, { column: "type" }],
  };
  const at = (columns: number) =>
    render(table, { isTTY: true, color: false, columns }).map(({ chunk }) => String(chunk).trimEnd().split("\n")[1]);

  test.each([
    [80, "i-1   gpu_1x_h100  running  us-west-1 +2  世界世界"],
    [50, "i-1   gpu_1x_h100  running  us-west-1 +2  世界世界"],
    [49, "i-1   gpu_1x_h100  running  us-west-1 +2"],
    [38, "i-1   gpu_1x_h100  running  us-west-1…"],
    [34, "i-1   gpu_1x_…  running  us-west-…"],
    [32, "i-1   gpu_1…  running  us-west-…"],
    [25, "i-1   running  us-west-1…"],
  ])("gives way to %d cells as it says, and as little as it can", (columns, row) => {
    expect(at(columns)).toEqual([row]);
  });

  test("keeps what may not give way, however narrow it gets", () => {
    expect(at(5)).toEqual(["i-1   running  us-west-…"]);
  });

  test("is whole in a pipe", () => {
    const [piped] = render(table, { isTTY: false, color: false, columns: 5 });
    expect(piped?.chunk).toBe("i-1\tgpu_1x_h100\trunning\tus-west-1 +2\t世界世界\ni-22\tgpu_1x_a10\tbooting\t-\t-\n");
  });

  test("cuts between characters that are two cells wide, and ends their colour", () => {
    const wide = { columns: ["a"], rows: [["世界世界"], ["\x1b[31mredder\x1b[0m"]], narrow: [{ column: "a", min: 4 }] };
    const [shown] = render(wide, { isTTY: true, color: false, columns: 4 });
    expect(shown?.chunk).toBe("A\n世…\n\x1b[31mred\x1b[39m…\n");
  });
});
