import { expect, setDefaultTimeout, test } from "bun:test";
import type { Journal } from "../../src/rent/journal.ts";
import { reconcile } from "../../src/rent/reconcile.ts";
import type { Owner } from "../../src/rent/rows.ts";
import { stopInstance } from "../../src/rent/stop.ts";
import type { FakeOptions, LaunchTrouble } from "../fake/provider.ts";
import { mortal } from "../fake/mortal.ts";
import { type Computer, launch, rentingComputer, waitFor } from "../unit/rent-fixture.ts";

// Thousands of commits: a busy disk needs its time.
setDefaultTimeout(60_000);

const clouds: Record<string, Omit<FakeOptions, "clock"> & { trouble?: LaunchTrouble }> = {
  "an easy cloud": { bootMs: 3_000 },
  "a cloud that shows machines late": { bootMs: 3_000, unlistedMs: 20_000 },
  "a cloud that ends machines slowly": { stopMs: 30_000 },
  "a cloud that does not end what boots": { bootMs: 40_000, refusesToStopBooting: true, stopMs: 5_000 },
  "a cloud whose answer is lost": { trouble: "answer-lost", unlistedMs: 20_000 },
  "a cloud that lost the request": { trouble: "request-lost" },
};

for (const [name, cloud] of Object.entries(clouds)) {
  test(`killed at any step with ${name}: nothing is left, nothing is rented twice`, async () => {
    const points = await killEverywhere(cloud, async (computer) => {
      const { token } = await launch(computer);
      await waitFor(computer, token, { owner: "run" });
      await stopInstance({ ...computer, target: { token }, why: "done" });
    });
    expect(points).toBeGreaterThan(10);
  });
}

test("killed at any step of handing over: it is stopped while it is the run's, and kept while it is the lease's", async () => {
  const left: Record<Owner, number> = { run: 0, lease: 0 };
  await killEverywhere({ bootMs: 3_000 }, async (computer) => {
    const { token } = await launch(computer);
    await waitFor(computer, token, { owner: "lease" });
  }, async (computer, journal) => {
    const row = journal.launches()[0];
    await settle(computer, journal, 3);
    const isKept = row?.owner === "lease";
    expect(computer.provider.machines.length).toBe(isKept ? 1 : 0);
    left[row?.owner ?? "run"] += 1;
    await computer.world.clock.sleep(3_600_000);
  });
  expect(left.run).toBeGreaterThan(5);
  expect(left.lease).toBeGreaterThan(0);
});

/** Runs the job, killed at the first step, then at the second, and so on until it comes through. Returns the steps. */
async function killEverywhere(
  { trouble, ...cloud }: typeof clouds[string],
  job: (computer: Computer) => Promise<void>,
  beforeTheEnd?: (computer: Computer, journal: Journal) => Promise<void>,
): Promise<number> {
  for (let step = 1;; step++) {
    using computer = await rentingComputer({ facts: { pollMs: 5_000 }, ...cloud });
    if (trouble !== undefined) computer.provider.troubles.push(trouble);
    const process = mortal(computer, step);
    const ended = await Promise.race([job(process.computer).then(() => "done", () => "failed"), process.death]);
    const journal = await computer.reopen();
    await beforeTheEnd?.(computer, journal);
    await settle(computer, journal, 15);
    expect({ step, machines: computer.provider.machines, open: journal.launches({ open: true }) })
      .toEqual({ step, machines: [], open: [] });
    expect(computer.provider.launched).toBeLessThanOrEqual(1);
    if (ended === "killed") continue;
    expect(ended).toBe(trouble === "request-lost" ? "failed" : "done");
    return step;
  }
}

/** Later commands, some seconds apart. */
async function settle(computer: Computer, journal: Journal, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    const provider = async () => computer.provider;
    const { problems } = await reconcile({ ...computer, journal, provider, isRunAlive: () => false });
    expect(problems).toEqual([]);
    await computer.world.clock.sleep(8_000);
  }
}
