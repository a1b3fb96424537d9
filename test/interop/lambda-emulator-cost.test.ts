// What `gpu cost` says beside the emulator's own bill, over one clock that only this test moves.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { lambdaProvider } from "../../src/provider/lambda/lambda.ts";
import { costs } from "../../src/rent/cost.ts";
import { openJournal } from "../../src/rent/journal.ts";
import { launchInstance } from "../../src/rent/launch.ts";
import { reconcile } from "../../src/rent/reconcile.ts";
import { stopInstance } from "../../src/rent/stop.ts";
import { FakeClock } from "../fake/clock.ts";
import { openEmulator } from "./lambda-emulator.ts";

async function open() {
  const clock = new FakeClock({ mode: "manual" });
  const emulated = await openEmulator({ clock, hasMachines: false, bootMs: 60_000, stopMs: 30_000 });
  const folders = { config: "/nowhere", state: join(emulated.folder, "state"), cache: "/nowhere" };
  let inFlight = 0;
  let counter = 0;
  const world = {
    clock,
    folders,
    env: { LAMBDA_API_KEY: emulated.emulator.key, LAMBDA_API_URL: emulated.emulator.url },
    random: (count: number) => Buffer.alloc(count).fill(++counter),
    async fetch(url: string | URL, init?: RequestInit) {
      inFlight += 1;
      try {
        return await fetch(url, init);
      } finally {
        inFlight -= 1;
      }
    },
  };
  const journal = await openJournal(world);
  const provider = lambdaProvider(world, {});
  /** Lets pauses pass as long as the work lasts; none while a request is on its way. */
  const pass = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    work.then(() => isOver = true, () => isOver = true);
    while (!isOver) {
      await Bun.sleep(2);
      if (inFlight === 0 && !isOver) clock.next({ upTo: 5_000 });
    }
    return await work;
  };
  const shared = { world, journal, provider };
  return {
    ...emulated,
    ...shared,
    clock,
    rent: (name: string, type = "gpu_8x_b200_sxm6") =>
      pass(launchInstance({
        ...{ ...shared, run: "a1", request: { hours: 10, name } },
        chosen: { offer: { type, pricePerHour: type === "gpu_1x_a10" ? 0.75 : 39.92 } as never, region: "us-east-1" },
      })),
    stop: (token: string) => pass(stopInstance({ ...shared, target: { token }, why: "test" })),
    pass,
    /** Cents of each instance, by name: ours, and the emulator's. */
    compare() {
      const now = clock.now();
      const ours = costs({ journal, now, by: "instance", since: 0 });
      const ourCents = Object.fromEntries(ours.map(({ group, costDollars }) => [group, Math.round(costDollars * 100)]));
      const bill = emulated.emulator.bill().instances;
      const cents = Object.fromEntries(bill.map(({ name, cost_cents }) => [name?.split("-")[0] ?? "", cost_cents]));
      return { ours: ourCents, theirs: cents };
    },
    async [Symbol.asyncDispose]() {
      journal[Symbol.dispose]();
      await emulated[Symbol.asyncDispose]();
    },
  };
}

test("costs agree with the bill to the cent, where a cent is a second, while they run and once they have ended", async () => {
  await using cloud = await open();
  const one = await cloud.rent("one");
  await cloud.clock.advance(61_000);
  const two = await cloud.rent("two");
  await cloud.clock.advance(17_300);
  const three = await cloud.rent("three", "gpu_1x_a10");
  const running = cloud.compare();
  expect(running.ours).toEqual(running.theirs);
  expect(await cloud.stop(one.token)).toBe("stopped");
  await cloud.clock.advance(3_333);
  expect(await cloud.stop(two.token)).toBe("stopped");
  await cloud.clock.advance(3_600_000);
  const { ours, theirs } = cloud.compare();
  expect(ours).toEqual(theirs);
  expect(ours).toEqual({ one: 87, two: expect.any(Number), three: 76 });
  expect(await cloud.stop(three.token)).toBe("stopped");
});

test("a launch whose answer was lost costs from its request, not from when it was found", async () => {
  await using cloud = await open();
  await cloud.rent("first");
  cloud.emulator.changeFaults({ once: ["answerLost", "listedLate"], listedLateMs: 15_000 });
  const lost = await cloud.rent("lost");
  expect(cloud.clock.now() - (lost.launchedAt ?? 0)).toBeGreaterThan(3_000);
  await cloud.clock.advance(30_000);
  const { ours, theirs } = cloud.compare();
  expect(ours).toEqual(theirs);
});

test("what a killed gpu left costs from its request, and never less than the bill says", async () => {
  await using cloud = await open();
  const { token } = await cloud.rent("killed");
  // As it is when the process died between the request and its answer.
  const sent = cloud.journal.launch(token);
  cloud.emulator.changeFaults({ once: ["answerLost"] });
  const gone = cloud.journal.intend(
    { ...sent, token: "f".repeat(20), run: "dead", request: {}, agentToken: "" } as never,
  );
  cloud.journal.markSent(gone.token);
  const body = { ...launchBody, name: `orphan-${gone.token}` };
  await cloud.call("POST", "/instance-operations/launch", body).catch(() => {});
  await cloud.clock.advance(90_000);
  await cloud.pass(reconcile({
    world: cloud.world,
    journal: cloud.journal,
    provider: () => Promise.resolve(cloud.provider),
    isRunAlive: (run) => run === "a1",
    patienceMs: 60_000,
  }));
  const bill = cloud.emulator.bill().instances.find(({ name }) => name?.startsWith("orphan"));
  const row = cloud.journal.launch(gone.token);
  expect(row?.state).toBe("STOPPED");
  expect(((row?.stoppedAt ?? 0) - (row?.launchedAt ?? 0)) / 1000).toBe(bill?.seconds ?? -1);
});

const launchBody = { region_name: "us-east-1", instance_type_name: "gpu_8x_b200_sxm6", ssh_key_names: ["mine"] };
