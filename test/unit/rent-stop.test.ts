import { afterEach, expect, test } from "bun:test";
import { GpuError } from "../../src/errors.ts";
import { keepInstance } from "../../src/rent/keep.ts";
import { isRunAlive, openRun } from "../../src/rent/run.ts";
import { judge, reconcile } from "../../src/rent/reconcile.ts";
import { stopInstance, stopOwnedByRun } from "../../src/rent/stop.ts";
import type { FakeOptions } from "../fake/provider.ts";
import { type Computer, errorOf, launch, rentingComputer, waitFor } from "./rent-fixture.ts";

let computers: Computer[] = [];
afterEach(() => {
  for (const computer of computers) computer[Symbol.dispose]();
  computers = [];
});

async function computerWith(cloud: Omit<FakeOptions, "clock"> = {}): Promise<Computer> {
  const computer = await rentingComputer(cloud);
  computers.push(computer);
  return computer;
}

function later(computer: Computer, options: { alive?: readonly string[]; patienceMs?: number } = {}) {
  const { alive = [], patienceMs } = options;
  const provider = async () => computer.provider;
  return reconcile({ ...computer, provider, patienceMs, isRunAlive: (run) => alive.includes(run) });
}

test("stopped means read back as gone", async () => {
  const computer = await computerWith({ stopMs: 30_000 });
  const { token } = await launch(computer);
  await waitFor(computer, token);
  const asked = computer.clock.now();
  expect(await stopInstance({ ...computer, target: { token }, why: "gpu stop" })).toBe("stopped");
  expect(computer.clock.now() - asked).toBeGreaterThanOrEqual(30_000);
  expect(computer.journal.launch(token)).toMatchObject({ state: "STOPPED", endWhy: "gpu stop" });
  expect(computer.journal.agentToken(token)).toBeUndefined();
});

test("a machine that may not be ended while it boots is asked again until it may", async () => {
  const computer = await computerWith({ bootMs: 20_000, refusesToStopBooting: true });
  const { token } = await launch(computer);
  expect(await stopInstance({ ...computer, target: { token }, why: "gpu stop" })).toBe("stopped");
  expect(computer.provider.machines).toEqual([]);
});

test("a newborn that the cloud does not know yet is hunted until it does", async () => {
  const computer = await computerWith({ unlistedMs: 40_000 });
  const { token } = await launch(computer);
  expect(await stopInstance({ ...computer, target: { token }, why: "gpu stop" })).toBe("stopped");
  expect(computer.provider.machines).toEqual([]);
});

test("two stop the same machine at once, and once more later", async () => {
  const computer = await computerWith({ stopMs: 5_000 });
  const { token } = await launch(computer);
  await waitFor(computer, token);
  const other = await computer.reopen();
  const stop = (journal = computer.journal) =>
    stopInstance({ ...computer, journal, target: { token }, why: "gpu stop" });
  expect(await Promise.all([stop(), stop(other)])).toEqual(["stopped", "stopped"]);
  const stoppedAt = computer.journal.launch(token)?.stoppedAt;
  const calls = computer.provider.calls.length;
  expect(await stop()).toBe("stopped");
  expect(computer.provider.calls).toHaveLength(calls);
  expect(computer.journal.launch(token)?.stoppedAt).toBe(stoppedAt ?? NaN);
  expect(computer.journal.events({ token }).filter((event) => event.kind === "stopped")).toHaveLength(1);
});

test("a stop that takes longer than the patience stays in the journal, and a later command finishes it", async () => {
  const computer = await computerWith({ stopMs: 30_000 });
  const { token } = await launch(computer);
  await waitFor(computer, token);
  expect(await stopInstance({ ...computer, target: { token }, why: "gpu stop", patienceMs: 2_000 })).toBe("stopping");
  expect(computer.journal.launch(token)).toMatchObject({ state: "STOPPING" });
  await computer.world.clock.sleep(30_000);
  expect(await later(computer)).toMatchObject({ stopped: [token] });
  expect(computer.journal.launch(token)).toMatchObject({ state: "STOPPED", endWhy: "gpu stop" });
});

test("a stop that fails says that the machine may still cost money, and is finished later", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer);
  computer.provider.failures.terminate.push(new Error("503"));
  const error = await errorOf(stopInstance({ ...computer, target: { token }, why: "gpu stop" }));
  expect(error).toMatchObject({
    message: "could not stop `i-1`: 503",
    hint: expect.stringContaining("may still be running"),
  });
  expect(computer.journal.launch(token)).toMatchObject({ state: "STOPPING" });
  expect(await later(computer)).toMatchObject({ stopped: [token] });
});

test("without a usable journal a listed machine can still be stopped", async () => {
  const computer = await computerWith();
  await launch(computer);
  await Bun.write(`${computer.state}/elsewhere/journal.db`, "no database ".repeat(500));
  const world = { ...computer.world, folders: { ...computer.world.folders, state: `${computer.state}/elsewhere` } };
  const { openJournal } = await import("../../src/rent/journal.ts");
  using journal = await openJournal(world);
  expect(journal.problem?.message).toContain("cannot be used");
  expect(await stopInstance({ ...computer, journal, target: { instanceId: "i-1" }, why: "gpu stop" })).toBe("stopped");
  expect(computer.provider.machines).toEqual([]);
});

test("what a run owns ends with it, what is kept does not, and one failure hides no other machine", async () => {
  const computer = await computerWith();
  const [first, second, kept] = [await launch(computer), await launch(computer), await launch(computer)];
  for (const { token } of [first, second, kept]) await waitFor(computer, token, { owner: "run" });
  const until = await keepInstance({ ...computer, token: kept.token, hours: 0.5, why: "look at the failure" });
  expect(until).toMatchObject({
    owner: "lease",
    keepWhy: "look at the failure",
    leaseEndsAt: computer.clock.now() + 1_800_000,
  });
  expect(computer.provider.machines[2]?.leaseEndsAt).toBe(until.leaseEndsAt);
  computer.provider.failures.terminate.push(new Error("503"));
  const stop = () =>
    stopOwnedByRun({ ...computer, provider: async () => computer.provider, run: "a1", why: "the run ended" });
  expect((await errorOf(stop())).message).toBe("could not stop `i-1`: 503");
  expect(computer.provider.machines.map((machine) => machine.id)).toEqual(["i-1", "i-3"]);
  expect(await stop()).toEqual(["stopped"]);
  expect(computer.provider.machines.map((machine) => machine.id)).toEqual(["i-3"]);
});

test("what is being stopped cannot be kept", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer);
  computer.journal.markStopping(token, "gpu stop");
  expect((await errorOf(keepInstance({ ...computer, token }))).message).toBe(
    "`i-1` cannot be kept: it is being stopped",
  );
});

test("reconcile leaves alone what a living run or a lease owns, and asks no cloud about it", async () => {
  const computer = await computerWith();
  await launch(computer);
  const leased = await launch(computer);
  await waitFor(computer, leased.token);
  const calls = computer.provider.calls.length;
  expect(await later(computer, { alive: ["a1"] })).toEqual({ stopped: [], stopping: [], gone: [], problems: [] });
  expect(computer.provider.calls).toHaveLength(calls);
  expect(computer.provider.machines).toHaveLength(2);
});

test("reconcile stops what a dead run owned and what outlived its lease, and never a stranger", async () => {
  const computer = await computerWith();
  const stranger = computer.provider.add({ name: "gpu-ffffffffffffffffffff", token: "ffffffffffffffffffff" });
  const orphan = await launch(computer);
  const leased = await launch(computer, { hours: 2 });
  await waitFor(computer, leased.token);
  expect(await later(computer)).toMatchObject({ stopped: [orphan.token] });
  await computer.world.clock.sleep(2 * 3_600_000);
  expect(await later(computer)).toMatchObject({ stopped: [leased.token] });
  expect(computer.journal.launch(leased.token)).toMatchObject({ endWhy: "its lease is over" });
  expect(computer.provider.machines).toEqual([stranger]);
});

test("reconcile ends a lease even while its run lives", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer, { hours: 1 });
  await computer.world.clock.sleep(3_600_000);
  expect(await later(computer, { alive: ["a1"] })).toMatchObject({ stopped: [token] });
});

test("a machine that appears after it was given up is stopped for a day", async () => {
  const computer = await computerWith({ facts: { settleMs: 10_000 }, unlistedMs: 3_600_000 });
  computer.provider.troubles.push("answer-lost");
  await errorOf(launch(computer));
  expect(computer.journal.launches()).toMatchObject([{ state: "ABSENT" }]);
  expect(await later(computer)).toMatchObject({ stopped: [] });
  await computer.world.clock.sleep(3_600_000);
  expect((await later(computer)).stopped).toHaveLength(1);
  expect(computer.provider.machines).toEqual([]);
  expect(computer.journal.launches()).toMatchObject([{ state: "STOPPED", instanceId: "i-1" }]);
});

test("a launch that was asked for and died young is waited for, then written off", async () => {
  const computer = await computerWith();
  computer.provider.troubles.push("request-lost");
  const abandoned = new AbortController();
  const launching = errorOf(launch(computer, {}, { signal: abandoned.signal }));
  while (!computer.provider.calls.includes("list")) await new Promise(setImmediate);
  expect(await later(computer, { patienceMs: 0 })).toMatchObject({ stopped: [], stopping: [expect.any(String)] });
  await computer.world.clock.sleep(60_000);
  expect(await later(computer, { patienceMs: 0 })).toMatchObject({ problems: [] });
  expect(computer.journal.launches()).toMatchObject([{ state: "ABSENT" }]);
  abandoned.abort(new Error("over"));
  await launching;
});

test("a newborn is not taken for gone, and a gap in one list ends nothing", async () => {
  const computer = await computerWith();
  const row = await launch(computer);
  const rule = { listed: [], now: computer.clock.now(), settleMs: 60_000, isRunAlive: () => true };
  expect(judge(row, rule).verdict).toBe("leave");
  expect(judge(row, { ...rule, now: rule.now + 60_000 }).verdict).toBe("gone");
  expect(judge({ ...row, seenAt: row.createdAt }, rule).verdict).toBe("gone");
  expect(judge({ ...row, owner: "lease" }, { ...rule, isRunAlive: () => false }).verdict).toBe("leave");
});

test("while another's machine is settled, a living run's newborn is left alone", async () => {
  const computer = await computerWith({ unlistedMs: 20_000 });
  const orphan = await launch(computer);
  const newborn = await launch(computer, {}, { run: "living" });
  expect(await later(computer, { alive: ["living"], patienceMs: 30_000 })).toMatchObject({
    stopped: [orphan.token],
    gone: [],
  });
  expect(computer.journal.launch(newborn.token)).toMatchObject({ state: "LAUNCHED" });
  expect(computer.provider.machines.map(({ id }) => id)).toEqual(["i-2"]);
});

test("a journal that cannot be written, as on a full disk, stops nobody from stopping, and rents nothing that stays", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer);
  const full = (methods: readonly string[]) =>
    new Proxy(computer.journal, {
      get(journal, key) {
        const value = Reflect.get(journal, key, journal);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (methods.includes(String(key))) throw new GpuError("the disk is full");
          return value.apply(journal, args);
        };
      },
    });
  const marks = ["markStopping", "markStopped", "markSeen"];
  expect(await stopInstance({ ...computer, journal: full(marks), target: { token }, why: "gpu stop" })).toBe("stopped");
  expect(computer.provider.machines).toEqual([]);
  await computer.world.clock.sleep(60_000);
  expect(await later(computer)).toMatchObject({ stopped: [token] });

  const error = await errorOf(launch({ ...computer, journal: full(["markLaunched", ...marks]) }));
  expect(error.message).toBe("the disk is full; it was given back");
  expect(computer.provider.launched).toBe(2);
  expect(computer.provider.machines).toEqual([]);
});

test("a cloud that cannot be asked is reported and keeps no other from being settled", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer);
  computer.provider.failures.list.push(new Error("502"));
  expect(await later(computer)).toMatchObject({ problems: [{ provider: "fake", error: new Error("502") }] });
  expect(await later(computer)).toMatchObject({ stopped: [token] });
});

test("runs that died are closed", async () => {
  const computer = await computerWith();
  const run = await openRun(computer.world, computer.journal, { recipe: "test.ts" });
  computer.journal.startRun({ id: "dead", recipe: undefined });
  const isAlive = (id: string) => isRunAlive(computer.world, id);
  await reconcile({ ...computer, provider: async () => computer.provider, isRunAlive: isAlive });
  expect(computer.journal.runs({ open: true }).map(({ id }) => id)).toEqual([run.id]);
  run.end(0);
  run.end(1);
  expect(computer.journal.runs()).toMatchObject([{ id: "dead", exitCode: null }, { id: run.id, exitCode: 0 }]);
});
