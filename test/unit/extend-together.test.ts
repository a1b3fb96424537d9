import { expect, setDefaultTimeout, test } from "bun:test";
import { runApp } from "../../src/app.ts";
import { openJournal } from "../../src/rent/journal.ts";
import { type FakeWorld, fakeWorld } from "../fake/world.ts";

// Whole commands run, and a busy computer takes its time.
setDefaultTimeout(20_000);

const hourMs = 3_600_000;

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

async function rented(fake: FakeWorld, count: number) {
  for (let number = 1; number <= count; number++) {
    await gpu(fake, `start --provider cloud --type gpu_1x_a10 --yes --hours 1 --name box${number}`);
  }
}

/** Every extension has looked before any of them goes on: none is told to a machine before all have come so far. */
function meetAtTheList({ cloud }: FakeWorld, count: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const list = cloud.list.bind(cloud);
  let arrived = 0;
  cloud.list = async (...asked) => {
    if (++arrived >= count) resolve();
    await promise;
    return await list(...asked);
  };
}

async function launches(fake: FakeWorld) {
  using journal = await openJournal(fake.world);
  return journal.launches();
}

test("extensions at the same moment stay within the budget of a day together", async () => {
  await using fake = await fakeWorld();
  await rented(fake, 3);
  // 3 × $0.75 are committed: one more hour fits.
  await gpu(fake, "config set budget.day 3");
  meetAtTheList(fake, 3);
  const ends = await Promise.all([1, 2, 3].map((number) => gpu(fake, `extend 1 box${number} --yes`)));
  expect(ends.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1, 1]);
  expect(ends.find(({ exitCode }) => exitCode === 1)?.text).toContain("the budget of a day is $3.00");
  const hours = (await launches(fake)).map(({ leaseEndsAt, createdAt }) => (leaseEndsAt - createdAt) / hourMs);
  expect(hours.reduce((sum, each) => sum + each)).toBe(4);
});

test("extensions of one instance at the same moment add up, here and on the machine", async () => {
  await using fake = await fakeWorld();
  await rented(fake, 1);
  meetAtTheList(fake, 2);
  const ends = await Promise.all([1, 2].map(() => gpu(fake, "extend 1 box1 --yes")));
  expect(ends.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  const [launch] = await launches(fake);
  expect(((launch?.leaseEndsAt ?? 0) - (launch?.createdAt ?? 0)) / hourMs).toBe(3);
  expect(fake.cloud.machines[0]?.leaseEndsAt).toBe(launch?.leaseEndsAt);
});

test("hours that the machine could not be told are taken back", async () => {
  await using fake = await fakeWorld();
  await rented(fake, 1);
  const [before] = await launches(fake);
  fake.cloud.setLeaseEnd = () => Promise.reject(new Error("503"));
  expect(await gpu(fake, "extend 1 box1 --yes")).not.toMatchObject({ exitCode: 0 });
  expect((await launches(fake))[0]?.leaseEndsAt).toBe(before?.leaseEndsAt);
});
