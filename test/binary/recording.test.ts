import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { record } from "../../scripts/recordings/record.ts";
import { root } from "../../scripts/toolchain.ts";
import { executable, Home, useCompiled } from "./compiled.ts";

useCompiled();

const kept = (name: string) => readFileSync(join(root, "scripts/recordings", name), "utf8");

test("the recording on the README shows what gpu still says: to make it anew, `scripts/recording`", async () => {
  await using home = new Home();
  const { text } = await record({ executable, home: home.work });
  expect(settled(text)).toBe(settled(kept("session.txt")));
}, 60_000);

test("the drawing and the text are of the same run", () => {
  const [, described = ""] = /<desc [^>]*>([^]*?)<\/desc>/.exec(kept("session.svg")) ?? [];
  const unescaped = described.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  expect(unescaped).toBe(kept("session.txt"));
});

/** Without what is another one each time: names that are drawn by lot, ports, durations, and how wide they make a column. */
function settled(text: string): string {
  return text.replace(/\bi-[0-9a-f]{8}\b/g, "i-1").replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:1")
    .replace(/\b[0-9a-f]{12}\b/g, "r-1").replace(/\b\d+(?:\.\d)? (s|min)\b/g, "1 $1").replace(/ {2,}/g, "  ");
}
