import { describe, expect, test } from "bun:test";
import { runApp } from "../../src/app.ts";
import { FakeClock } from "../fake/clock.ts";
import type { FakeProvider } from "../fake/provider.ts";
import { type FakeWorld, fakeWorld } from "../fake/world.ts";

async function gpu(fake: FakeWorld, line: string, { isTTY = false, env = {} } = {}) {
  const terminal = fake.openTerminal({ isTTY });
  const exitCode = await runApp(line.split(" "), {
    world: {
      ...fake.world,
      env: { ...fake.world.env, ...env },
      terminal,
      clock: new FakeClock({ now: fake.world.clock.now() }),
    },
    registry: fake.registry,
    signal: new AbortController().signal,
    version: "0.0.0",
  });
  // Hours pass in no time here: too fast for the background process to start.
  const lines = terminal.takeLines().filter((line) => !line.includes("nothing watches this run"));
  return { exitCode, lines };
}

function setTroubles(cloud: FakeProvider, ...troubles: FakeProvider["troubles"][number][]) {
  cloud.troubles.push(...troubles);
}

describe("gpu start --retry-until-up", () => {
  const start = "start --provider cloud --type gpu_1x_a10 --no-wait --yes --retry-until-up 1h";

  test("says why it was refused once, and again only when that changes", async () => {
    await using fake = await fakeWorld();
    setTroubles(fake.cloud, "capacity", "capacity", "capacity", "quota", "quota", "capacity");
    const { exitCode, lines } = await gpu(fake, start, { isTTY: true });
    expect(lines).toEqual([
      "2| gpu_1x_a10 in us-west-1 at cloud: none is free",
      "2| gpu_1x_a10 in us-west-1 at cloud: cloud refused the launch: no quota",
      "2| gpu_1x_a10 in us-west-1 at cloud: none is free",
      "i-1 is running, $0.75/h, leased for 4 h 00 min",
    ]);
    expect(exitCode).toBe(0);
  });

  test("in a log says now and then that it waits", async () => {
    await using fake = await fakeWorld();
    setTroubles(fake.cloud, ...Array.from({ length: 8 }, () => "capacity" as const));
    const { lines } = await gpu(fake, start);
    expect(lines.filter((line) => line.includes("none is free"))).toHaveLength(1);
    const waits = lines.filter((line) => line.includes("trying again"));
    expect(waits.length).toBeGreaterThan(1);
    // 15, 30, 60 and then every 120 s: a line for each, and no more where it stays the same.
    expect(waits.length).toBeLessThan(5);
  });
});

test("a provider that is down is told once in a command, however many parts of it ask", async () => {
  await using fake = await fakeWorld();
  expect((await gpu(fake, "start --provider cloud --type gpu_1x_a10 --no-wait --yes --hours 1")).exitCode).toBe(0);
  // Its lease is over: what gives back and what lists both ask.
  fake.advance(2 * 3_600_000);
  const down = () => new Error("nothing answers");
  for (const failures of [fake.cloud.failures.list, fake.cloud.failures.get, fake.cloud.failures.terminate]) {
    failures.push(...Array.from({ length: 30 }, down));
  }
  const { lines } = await gpu(fake, "status --provider cloud");
  const warnings = lines.filter((line) => line.startsWith("2| warning: "));
  expect(warnings.length).toBeGreaterThan(0);
  expect(new Set(warnings).size).toBe(warnings.length);
});

describe("a profile that is not there is refused", () => {
  test.each([
    ["status --profile nope", {}],
    ["status --profile nope --provider cloud", {}],
    ["status --profile nope", { GPU_PROVIDER: "cloud" }],
    ["available", { GPU_PROVIDER: "cloud", GPU_PROFILE: "nope" }],
    ["config list --profile nope", {}],
  ])("%s %p", async (line, env) => {
    await using fake = await fakeWorld();
    expect((await gpu(fake, "configure --profile work --provider cloud --api-key key-1")).exitCode).toBe(0);
    const { exitCode, lines } = await gpu(fake, line, { env });
    expect(lines).toEqual(["2| error: there is no profile `nope`", "2| hint: the configuration has: work"]);
    expect(exitCode).toBe(2);
  });
});
