import { expect, setDefaultTimeout, test } from "bun:test";
import type { Journal } from "../../src/rent/journal.ts";
import { reconcile } from "../../src/rent/reconcile.ts";
import type { Owner } from "../../src/rent/rows.ts";
import { stopInstance } from "../../src/rent/stop.ts";
import type { FakeOptions, LaunchTrouble } from "../fake/provider.ts";
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

/** The same computer seen from a process that is gone, before or after its n-th step, as with `kill -9`. */
function mortal(computer: Computer, lastStep: number): { computer: Computer; death: Promise<"killed"> } {
  const { promise: death, resolve: die } = Promise.withResolvers<"killed">();
  let steps = 0;
  let isDead = false;
  const step = () => {
    if (isDead || ++steps < lastStep) return;
    isDead = true;
    die("killed");
  };
  const forever = new Promise<never>(() => {});
  const mortalJournal = through(computer.journal, (call, method) => {
    // To die before or after a read is to die after or before the writes around it.
    const isRead = ["launch", "launches", "runs", "events", "agentToken"].includes(method);
    if (!isRead) step();
    // Nobody is there to catch this: all that could be done about it hangs as well.
    if (isDead) throw new Error("killed");
    const value = call();
    if (!isRead) step();
    if (isDead) throw new Error("killed");
    return value;
  });
  const mortalProvider = through(computer.provider, async (call, method) => {
    step();
    if (isDead) return await forever;
    const [end] = await Promise.allSettled([call()]);
    if (method === "launch" || method === "terminate") step();
    if (isDead) return await forever;
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
  const clock = through(computer.world.clock, (call) => isDead ? forever : call());
  const world = { ...computer.world, clock };
  return { computer: { ...computer, world, journal: mortalJournal, provider: mortalProvider }, death };
}

function through<T extends object>(target: T, around: (call: () => unknown, method: string) => unknown): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      const call = (...args: unknown[]) => value.apply(target, args);
      return key === "now" ? call : (...args: unknown[]) => around(() => call(...args), String(key));
    },
  });
}
