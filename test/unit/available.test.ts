import { describe, expect, test } from "bun:test";
import { runApp } from "../../src/app.ts";
import { FakeProvider } from "../fake/provider.ts";
import { fakeWorld } from "../fake/world.ts";

async function available(line: string, { isTTY, count }: { isTTY: boolean; count: number }) {
  await using fake = await fakeWorld();
  const types = Array.from({ length: count }, (_, index) => ({
    type: `gpu_${index}`,
    pricePerHour: count - index,
    gpu: "A10",
    regions: ["us-west-1", "us-east-1"],
    // Every third, the cheapest of all among them, is taken.
    free: (count - 1 - index) % 3 === 0 ? 0 : 1,
  }));
  const cloud = new FakeProvider({ clock: fake.world.clock, name: "cloud", types });
  const terminal = fake.openTerminal({ isTTY, columns: 80 });
  await runApp(["available", "--provider", "cloud", ...line.split(" ").filter((word) => word !== "")], {
    world: { ...fake.world, terminal },
    registry: { cloud: () => Promise.resolve(cloud) },
    signal: new AbortController().signal,
    version: "0.0.0",
  });
  return terminal.takeLines();
}

const typesOf = (lines: readonly string[]) => lines.map((line) => /gpu_\d+/.exec(line)?.[0]).filter(Boolean);

describe("on a terminal", () => {
  test("a screen full of many offers is shown, what is free and cheapest first, and how to see the rest", async () => {
    const lines = await available("", { isTTY: true, count: 60 });
    expect(lines[0]).toBe("2| the first 21 of 60; `--limit 60` shows all of them");
    expect(lines).toHaveLength(23);
    expect(typesOf(lines).slice(0, 4)).toEqual(["gpu_58", "gpu_57", "gpu_55", "gpu_54"]);
  });

  test("all of them where they are no more than a person reads", async () => {
    const lines = await available("", { isTTY: true, count: 50 });
    expect(typesOf(lines)).toHaveLength(50);
    expect(lines.at(-1)).toContain("none is free");
  });

  test("as many as are asked for, without a word", async () => {
    expect(await available("--limit 60", { isTTY: true, count: 60 })).toHaveLength(61);
    expect(typesOf(await available("-n 2", { isTTY: true, count: 60 }))).toEqual(["gpu_58", "gpu_57"]);
  });
});

test("a pipe gets all of them, and every region", async () => {
  const lines = await available("", { isTTY: false, count: 60 });
  expect(lines).toHaveLength(60);
  expect(lines[0]).toContain("us-west-1, us-east-1");
});
