import { expect, test } from "bun:test";
import { Screen } from "../../scripts/recordings/screen.ts";
import { svgOf } from "../../scripts/recordings/svg.ts";

function screen(text: string): Screen {
  const made = new Screen({ columns: 10, rows: 3 });
  made.write(text);
  return made;
}

test.each([
  ["a line that is drawn over", "wait 1\rwait 2", "wait 2"],
  ["a line that is taken away", "one\r\nliving\r\x1b[2Kend", "one\nend"],
  ["lines above that are drawn anew", "a\r\nb\x1b[1A\rx\x1b[J", "x"],
  ["what is too wide goes on below", "0123456789abc", "0123456789\nabc"],
  ["what is too long goes out above", "1\r\n2\r\n3\r\n4", "2\n3\n4"],
  ["colours and titles are not text", "\x1b]0;title\x07\x1b[1;32mok\x1b[0m", "ok"],
])("%s", (_, sent, seen) => {
  expect(screen(sent).text()).toBe(seen);
});

test("colours are kept", () => {
  expect(screen("\x1b[1;32m$\x1b[0m a").snapshot({ atMs: 0, cursor: false }).rows).toEqual([
    [{ text: "$", classes: "b green" }, { text: " a", classes: "" }],
  ]);
});

test("each line of the drawing is there for its time, and the last ones where nothing moves", () => {
  const shown = new Screen({ columns: 10, rows: 3 });
  shown.write("<a>");
  const first = shown.snapshot({ atMs: 0, cursor: false });
  shown.write("\r\x1b[2Kb");
  const svg = svgOf({
    ...{ snapshots: [first, shown.snapshot({ atMs: 500, cursor: false })], columns: 10, rows: 3, endsAtMs: 1000 },
    ...{ title: "t", text: "<a>" },
  });
  expect(svg).toContain("@keyframes k0{0%{visibility:visible}50%{visibility:hidden}}");
  expect(svg).toContain("@keyframes k1{0%{visibility:hidden}50%{visibility:visible}}");
  expect(svg).toMatch(/class="k k0" [^>]*>&lt;a&gt;</);
  expect(svg).toMatch(/class="k k1 z" [^>]*>b</);
  expect(svg).toContain("prefers-reduced-motion");
  expect(svg).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
});
