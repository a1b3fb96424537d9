import { afterEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Journal } from "../../src/rent/journal.ts";
import { Reaper } from "../../src/rent/reaper.ts";
import { describeStillRunning } from "../../src/rent/still-running.ts";
import { mayBeStillRunning } from "../../src/rent/stop-marker.ts";
import { stopInstance } from "../../src/rent/stop.ts";
import type { Clock } from "../../src/world.ts";
import { through } from "../fake/mortal.ts";
import type { FakeOptions } from "../fake/provider.ts";
import { type Computer, errorOf, launch, rentingComputer, waitFor } from "./rent-fixture.ts";

const hourMs = 3_600_000;

let closing: AsyncDisposableStack;
afterEach(() => closing?.disposeAsync());

interface Scene {
  readonly computer: Computer;
  readonly reaper: Reaper;
  readonly journal: Journal;
  /** Runs whose process lives. */
  readonly alive: Set<string>;
  /** Added to what the clock says: a computer that slept. */
  slept: number;
  pass(ms: number): Promise<void>;
}

/** A reaper on a computer of its own; time passes when the test says so. */
async function scene(cloud: Omit<FakeOptions, "clock"> = {}): Promise<Scene> {
  closing = new AsyncDisposableStack();
  const computer = closing.use(
    asAsync(await rentingComputer({ facts: { pollMs: 1_000, settleMs: 10_000 }, ...cloud })),
  );
  const alive = new Set(["a1"]);
  const journal = await computer.reopen();
  const clock: Clock = {
    now: () => computer.clock.now() + made.slept,
    monotonic: () => computer.clock.monotonic(),
    sleep: (ms, signal) => computer.clock.sleep(ms, signal),
  };
  const made: Scene = {
    ...{ computer, journal, alive, slept: 0 },
    reaper: new Reaper({
      world: { clock },
      journal: await computer.reopen(),
      provider: () => Promise.resolve(computer.provider),
      isRunAlive: (run) => alive.has(run),
      onChange() {},
      log() {},
    }),
    // The clock jumps from sleeper to sleeper by itself: this one lets it go on for that long.
    pass: (ms) => computer.clock.sleep(ms),
  };
  made.reaper.start();
  closing.defer(() => made.reaper[Symbol.asyncDispose]());
  return made;
}

function asAsync<T extends Disposable>(value: T): T & AsyncDisposable {
  return Object.assign(value, { [Symbol.asyncDispose]: () => Promise.resolve(value[Symbol.dispose]()) });
}

async function rent(
  { computer }: Scene,
  { owner = "run", hours = 1 }: { owner?: "run" | "lease"; hours?: number } = {},
) {
  const { token } = await launch(computer, { hours });
  await waitFor(computer, token, { owner });
  return token;
}

test("the connection of a run is gone and the run with it: what it owned is stopped, what it kept is not", async () => {
  const it = await scene();
  it.reaper.watch("a1");
  const [owned, kept] = [await rent(it), await rent(it, { owner: "lease" })];
  await it.pass(60_000);
  expect(it.computer.provider.machines).toHaveLength(2);
  it.alive.delete("a1");
  await it.reaper.lost("a1");
  await it.pass(2_000);
  expect(it.journal.launch(owned)).toMatchObject({ state: "STOPPED", endWhy: "its run died" });
  expect(it.journal.launch(kept)).toMatchObject({ state: "LAUNCHED" });
  expect(it.reaper.heldCount).toBe(1);
});

test("a connection that breaks while the run lives ends nothing, and its death is still noticed", async () => {
  const it = await scene();
  it.reaper.watch("a1");
  await rent(it);
  await it.reaper.lost("a1");
  await it.pass(10_000);
  expect(it.computer.provider.machines).toHaveLength(1);
  it.alive.delete("a1");
  await it.pass(4_000);
  expect(it.computer.provider.machines).toEqual([]);
});

test("a run with two connections is held until both are gone", async () => {
  const it = await scene();
  it.reaper.watch("a1");
  it.reaper.watch("a1");
  await rent(it);
  await it.reaper.lost("a1");
  await it.pass(5_000);
  expect([it.reaper.runs, it.computer.provider.machines.length]).toEqual([["a1"], 1]);
});

test("a lease is ended when it is over, not before, and where it was moved to", async () => {
  const it = await scene();
  const token = await rent(it, { owner: "lease" });
  it.journal.setLeaseEnd(token, it.computer.clock.now() + 2 * hourMs);
  await it.pass(2 * hourMs - 1_000);
  expect(it.computer.provider.machines).toHaveLength(1);
  await it.pass(5_000);
  expect(it.journal.launch(token)).toMatchObject({ state: "STOPPED", endWhy: "its lease is over" });
  expect(it.reaper.heldCount).toBe(0);
});

test("a lease that is made shorter ends at its new end", async () => {
  const it = await scene();
  const token = await rent(it, { owner: "lease" });
  it.journal.setLeaseEnd(token, it.computer.clock.now() + 60_000);
  it.reaper.look();
  await it.pass(62_000);
  expect(it.journal.launch(token)).toMatchObject({ state: "STOPPED" });
});

test("a computer that slept over the end of a lease stops the machine within seconds of waking", async () => {
  const it = await scene();
  const token = await rent(it, { owner: "lease" });
  await it.pass(1_000);
  it.slept = 3 * hourMs;
  await it.pass(17_000);
  expect(it.journal.launch(token)).toMatchObject({ state: "STOPPED", endWhy: "its lease is over" });
});

test("a stop that fails is tried until it works, and shouted about until then", async () => {
  const it = await scene();
  const token = await rent(it, { owner: "lease" });
  it.computer.provider.failures.terminate.push(...Array.from({ length: 8 }, () => new Error("503")));
  await it.pass(hourMs + 5_000);
  const state = it.computer.state;
  expect(mayBeStillRunning(state)).toBe(true);
  expect(describeStillRunning(it.journal, it.computer.clock.now())).toEqual([
    "STILL RUNNING: i-1, gpu_1x_a10 from fake, $0.75/h, could not be stopped for 5 s: 503; `gpu stop i-1` tries again",
  ]);
  expect(it.reaper.hunts).toMatchObject([{ token, failure: expect.stringContaining("503") }]);
  // Told once, not once a try.
  expect(it.journal.events({ token }).filter(({ kind }) => kind === "stop-failed")).toHaveLength(1);
  await it.pass(10 * 60_000);
  expect(it.computer.provider.machines).toEqual([]);
  expect(describeStillRunning(it.journal, it.computer.clock.now())).toEqual([]);
  expect(existsSync(join(state, "still-running"))).toBe(false);
});

test("a machine that appears after it was given up is stopped though no command ever runs again", async () => {
  const it = await scene();
  const { provider, clock } = it.computer;
  provider.troubles.push("request-lost", "capacity");
  await errorOf(launch(it.computer));
  await errorOf(launch(it.computer));
  const [lost, refused] = it.journal.launches();
  expect([lost?.state, refused?.state]).toEqual(["ABSENT", "ABSENT"]);
  it.reaper.look();
  await it.pass(2_000);
  // It is looked for the one that nobody answered, and not for the one that was refused.
  expect(it.reaper.heldCount).toBe(1);
  provider.add({ name: `gpu-${lost?.token}`, token: lost?.token });
  await it.pass(10_000);
  expect(provider.machines).toEqual([]);
  expect(it.journal.launch(lost?.token ?? "")).toMatchObject({ state: "STOPPED" });
  await clock.sleep(60_000);
  expect(it.reaper.heldCount).toBe(0);
});

test("what never appears is looked for no longer than it may be on its way", async () => {
  const it = await scene();
  it.computer.provider.troubles.push("request-lost");
  await errorOf(launch(it.computer));
  it.reaper.look();
  await it.pass(2_000);
  expect(it.reaper.heldCount).toBe(1);
  await it.pass(50_000);
  expect(it.reaper.heldCount).toBe(0);
});

test("what another process began to stop is its own for a while, and taken over when it does not finish", async () => {
  const it = await scene();
  const token = await rent(it, { owner: "lease" });
  it.journal.markStopping(token, "gpu stop");
  const before = it.computer.provider.calls.length;
  it.reaper.look();
  await it.pass(25_000);
  expect(it.computer.provider.calls).toHaveLength(before);
  await it.pass(25_000);
  expect(it.journal.launch(token)).toMatchObject({ state: "STOPPED", endWhy: "gpu stop" });
});

test("a key of another account proves nothing gone, and a new key that shows the machine is as good", async () => {
  const it = await scene();
  const { provider, clock } = it.computer;
  const token = (await launch(it.computer, {}, { run: "a1" })).token;
  await waitFor(it.computer, token);
  const ours = { ...it.journal.launch(token), account: "ours" };
  const journal = through(it.journal, (call, method) => ["launch", "markStopping"].includes(method) ? ours : call());
  let isListed = false;
  const account = through(provider, (call, method) => method === "list" && !isListed ? Promise.resolve([]) : call());
  Object.assign(provider, { account: () => Promise.resolve("theirs") });
  const stop = () => stopInstance({ world: { clock }, journal, provider: account, target: { token }, why: "x" });
  expect(await stop().catch((error) => error.message)).toContain("belongs to the account `ours`");
  expect(provider.machines).toHaveLength(1);
  isListed = true;
  expect(await stop()).toBe("stopped");
  expect(provider.machines).toEqual([]);
});
