import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JobLog } from "../../src/ci/runner/job-log.ts";
import { LogFeed } from "../../src/ci/server/log-feed.ts";
import { countLines, followLog } from "../../src/ci/server/log-follow.ts";
import type { LogLines } from "../../src/ci/server/log-reader.ts";
import { logSlice } from "../../src/ci/server/log-tail.ts";
import { realClock } from "../../src/outside.ts";

let folder: string;
let path: string;
let feed: LogFeed;
let isOver: boolean;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-log-"));
  path = join(folder, "log");
  isOver = false;
  feed = new LogFeed(folder, { clock: realClock, platform: process.platform });
});
afterEach(async () => {
  feed[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
});

const follow = (given: { after?: number; signal?: AbortSignal } = {}) =>
  followLog({ path, feed, isOver: () => isOver, after: 0, ...given });

function end(log?: JobLog): void {
  log?.close();
  isOver = true;
  feed.wake(path);
}

async function linesOf(follow: AsyncIterable<LogLines>): Promise<{ number: number; text: string }[]> {
  const lots = await Array.fromAsync(follow);
  return lots.flatMap(({ first, texts }) => texts.map((text, index) => ({ number: first + index, text })));
}

test("is followed while it grows, each line once, the last one without a newline too", async () => {
  const log = JobLog.create(path);
  log.write("a\nb");
  const lines = follow();
  expect((await lines.next()).value).toEqual({ first: 1, texts: ["a\n"] });
  const next = lines.next();
  log.write("c\nd");
  expect((await next).value).toEqual({ first: 2, texts: ["bc\n"] });
  expect(await countLines(path)).toBe(2);
  end(log);
  expect(await Array.fromAsync(lines)).toEqual([{ first: 3, texts: ["d"] }]);
  expect(await linesOf(follow({ after: 1 }))).toMatchObject([{ number: 2 }, { number: 3 }]);
  expect(await linesOf(follow({ after: 3 }))).toEqual([]);
  expect(await linesOf(follow({ after: 99 }))).toEqual([]);
});

test("is followed from before it is there", async () => {
  const lines = linesOf(follow());
  await Bun.sleep(5);
  const log = JobLog.create(path);
  log.write("here\n");
  end(log);
  expect(await lines).toEqual([{ number: 1, text: "here\n" }]);
});

test("is followed where nothing tells of its growth", async () => {
  using blind = new LogFeed(folder, { clock: realClock, platform: "darwin" });
  const lines = followLog({ path, feed: blind, isOver: () => isOver, after: 0 });
  writeFileSync(path, "one\n");
  expect((await lines.next()).value).toEqual({ first: 1, texts: ["one\n"] });
  const next = lines.next();
  await Bun.sleep(5);
  appendFileSync(path, "two\n");
  expect((await next).value).toEqual({ first: 2, texts: ["two\n"] });
  await lines.return(undefined);
});

test("is there at once, also where the system tells only of the first of two writes", async () => {
  const log = JobLog.create(path);
  const lines = follow();
  let slowest = 0;
  for (let count = 0; count < 60; count++) {
    const next = lines.next();
    log.write(`line ${count}`);
    await Bun.sleep(0);
    log.write("\n");
    const begun = performance.now();
    await next;
    slowest = Math.max(slowest, performance.now() - begun);
  }
  // Sooner than the next look at all logs, which is for what nothing tells of.
  expect(slowest).toBeLessThan(150);
  end(log);
  await lines.return(undefined);
});

test("has the same numbers in every reading, also for lines that are too long", async () => {
  const log = JobLog.create(path);
  const text = `${"é".repeat(50_000)}\n${"x".repeat(65_536)}\n${"x".repeat(65_535)}\n${"–".repeat(200_000)}\nend\n`;
  const live = linesOf(follow());
  for (let at = 0; at < text.length; at += 9_999) {
    log.write(text.slice(at, at + 9_999));
    await new Promise((resolve) => setImmediate(resolve));
  }
  end(log);
  const again = await linesOf(follow());
  expect(await live).toEqual(again);
  expect(again.map((line) => line.text).join("")).toBe(text);
  expect(again.slice(0, 5).map((line) => line.text.length)).toEqual([32_768, 17_233, 65_536, 1, 65_536]);
  expect(again.at(-1)).toEqual({ number: await countLines(path), text: "end\n" });
});

test("that grows too large is cut between two characters, and says so once", async () => {
  const log = JobLog.create(path, { maxBytes: 1024 });
  for (let count = 0; count < 5; count++) log.write("é".repeat(333));
  log.note("the job was stopped: it was cancelled");
  log.close();
  expect(await Bun.file(path).text()).toBe(
    `${"é".repeat(512)}\ngpu: the log is cut here, at 1024 bytes; the job goes on\n` +
      "gpu: the job was stopped: it was cancelled\n",
  );
});

test("that was left in half a line goes on in a line of its own", async () => {
  writeFileSync(path, "half");
  const log = JobLog.create(path);
  log.note("what ran this job is gone");
  log.close();
  expect(await Bun.file(path).text()).toBe("half\ngpu: what ran this job is gone\n");
});

test("that is followed no more leaves nothing waiting", async () => {
  const stop = new AbortController();
  const lines = Array.fromAsync(follow({ signal: stop.signal }));
  await Bun.sleep(1);
  stop.abort();
  expect(await lines).toEqual([]);
});

describe("the end of a log", () => {
  const tail = async (lines?: number) => await (await logSlice(path, lines)).text();

  test("is so many lines of it, a last one without a newline too", async () => {
    writeFileSync(path, "a\nb\nc");
    expect(await Promise.all([undefined, 0, 1, 2, 3, 4].map(tail))).toEqual([
      ...["a\nb\nc", "", "c", "b\nc", "a\nb\nc", "a\nb\nc"],
    ]);
    writeFileSync(path, "a\nb\n\n");
    expect(await Promise.all([1, 2, 3].map(tail))).toEqual(["\n", "b\n\n", "a\nb\n\n"]);
    writeFileSync(path, "");
    expect(await tail(3)).toBe("");
  });

  test("is found in a log that is longer than what is read at a time", async () => {
    const lines = Array.from({ length: 50_000 }, (_, index) => `line ${index}\n`);
    writeFileSync(path, lines.join(""));
    expect(await tail(20_000)).toBe(lines.slice(-20_000).join(""));
    expect((await tail(1_000_000)).length).toBe(lines.join("").length);
  });
});
