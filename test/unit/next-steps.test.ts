import { expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runApp } from "../../src/app.ts";
import { type FakeWorld, fakeWorld } from "../fake/world.ts";

async function gpu(fake: FakeWorld, ...argv: string[]): Promise<{ code: number; lines: string[] }> {
  const terminal = fake.openTerminal({ isTTY: true });
  const code = await runApp(argv, {
    world: { ...fake.world, terminal },
    registry: fake.registry,
    signal: new AbortController().signal,
    version: "0.0.0",
  });
  return { code, lines: terminal.takeLines() };
}

test("`gpu` alone prints three lines, and writes nothing", async () => {
  await using fake = await fakeWorld();
  const { code, lines } = await gpu(fake);
  expect({ code, count: lines.length }).toEqual({ code: 0, count: 3 });
  const { config, state, cache } = fake.world.folders;
  expect([config, state, cache].filter((folder) => existsSync(folder))).toEqual([]);
});

test("a configuration that is broken keeps nobody from being told", async () => {
  await using fake = await fakeWorld();
  mkdirSync(fake.world.folders.config, { recursive: true });
  writeFileSync(join(fake.world.folders.config, "config.yaml"), "profile: [");
  expect((await gpu(fake)).lines[0]).toStartWith("gpu start ");
});

test("a lease that is over is said, and nothing is asked of the cloud", async () => {
  await using fake = await fakeWorld();
  await gpu(fake, "start", "--provider", "cloud", "--yes", "--hours", "1");
  fake.advance(61 * 60_000);
  Object.assign(fake.cloud, { list: () => Promise.reject(new Error("nobody may ask")) });
  expect((await gpu(fake)).lines[0]).toBe("gpu status  # i-1 is rented, $0.75/h, its lease is over");
});

test("the whole help is what was asked for", async () => {
  await using fake = await fakeWorld();
  for (const argv of [["help"], ["--help"], ["-h"]]) {
    expect((await gpu(fake, ...argv)).lines.length).toBeGreaterThan(30);
  }
});
