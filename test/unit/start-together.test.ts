import { expect, test } from "bun:test";
import { runApp } from "../../src/app.ts";
import { type FakeWorld, fakeWorld } from "../fake/world.ts";

async function gpu(fake: FakeWorld, line: string) {
  const terminal = fake.openTerminal({ isTTY: false });
  const exitCode = await runApp(line.split(" "), {
    world: { ...fake.world, terminal },
    registry: fake.registry,
    signal: new AbortController().signal,
    version: "0.0.0",
  });
  return { exitCode, text: terminal.takeLines().join("\n") };
}

const start = "start --provider cloud --type gpu_1x_a10 --no-wait --yes --hours 1";

/** Every start has looked at the budget and the names before any of them writes its launch down. */
function meetAtTheAccount({ cloud }: FakeWorld, count: number) {
  const { promise, resolve } = Promise.withResolvers<string>();
  let arrived = 0;
  Object.assign(cloud, {
    account: () => {
      if (++arrived === count) resolve("acme");
      return promise;
    },
  });
}

test("starts at the same moment stay within the budget of a day together", async () => {
  await using fake = await fakeWorld();
  await gpu(fake, "config set budget.day 1");
  meetAtTheAccount(fake, 3);
  const starts = await Promise.all([1, 2, 3].map(() => gpu(fake, start)));
  expect(starts.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1, 1]);
  const refused = starts.find(({ exitCode }) => exitCode === 1);
  expect(refused?.text).toContain("this can cost $0.75, after $0.75 that is spent or committed");
  expect(fake.cloud.launched).toBe(1);
});

test("starts at the same moment do not share a name", async () => {
  await using fake = await fakeWorld();
  meetAtTheAccount(fake, 2);
  const starts = await Promise.all([1, 2].map(() => gpu(fake, `${start} --name box`)));
  expect(starts.map(({ exitCode }) => exitCode).sort()).toEqual([0, 2]);
  expect(starts.find(({ exitCode }) => exitCode === 2)?.text).toContain("`box` is the name of");
  expect(fake.cloud.launched).toBe(1);
});
