import { afterEach, beforeEach, expect, test } from "bun:test";
import { ftruncateSync, linkSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskUse } from "../../src/ci/disk-use.ts";
import { watchDisk } from "../../src/ci/runner/disk.ts";
import { realClock } from "../../src/outside.ts";

let folder: string;
beforeEach(() => folder = mkdtempSync(join(tmpdir(), "ci-disk-")));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, bytes: number) => writeFileSync(join(folder, name), Buffer.alloc(bytes, 1));

test("what a folder takes is that of its files, each once, without holes and without what links lead to", async () => {
  mkdirSync(join(folder, "a/b"), { recursive: true });
  write("a/b/c", 1_000_000);
  const bytes = await diskUse(folder);
  expect(bytes).toBeGreaterThanOrEqual(1_000_000);
  expect(bytes).toBeLessThan(1_100_000);
  linkSync(join(folder, "a/b/c"), join(folder, "again"));
  symlinkSync("/usr", join(folder, "away"));
  ftruncateSync(openSync(join(folder, "hole"), "w"), 1e12);
  expect(await diskUse(folder) - bytes).toBeLessThan(100_000);
  expect(await diskUse(join(folder, "nothing"))).toBe(0);
});

test("it is not counted further than it matters", async () => {
  for (let count = 0; count < 20; count++) write(String(count), 100_000);
  const bytes = await diskUse(folder, { enough: 500_000 });
  expect(bytes).toBeGreaterThan(500_000);
  expect(bytes).toBeLessThan(800_000);
});

test("a folder is looked at again and again until it is too large, or nobody asks any more", async () => {
  let looks = 0;
  const done = new AbortController();
  const clock = {
    ...realClock,
    sleep(ms: number) {
      expect(ms).toBeGreaterThanOrEqual(1_000);
      looks++;
      if (looks === 3) write("b", 700_000);
      if (looks === 5) done.abort();
      return Promise.resolve();
    },
  };
  const watch = (maxBytes: number | undefined) => watchDisk(folder, { maxBytes, clock, signal: done.signal });
  write("a", 500_000);
  expect([await watch(2 ** 20), looks]).toEqual(["it used more than 1 MiB of disk", 3]);
  expect([await watch(2 ** 21), looks]).toEqual([undefined, 5]);
  expect(await watch(undefined)).toBeUndefined();
});
