import { afterEach, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { InterruptedError } from "../../src/errors.ts";
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

test("a launch is on the disk before it is sent, and its id before it returns", async () => {
  const computer = await computerWith();
  const row = await launch(computer, { name: "box" });
  expect(row).toMatchObject({ state: "LAUNCHED", owner: "run", instanceId: "i-1", name: "box", pricePerHour: 0.75 });
  expect(computer.journal.events({ token: row.token }).map((event) => event.kind)).toEqual([
    "intended",
    "sent",
    "launched",
  ]);
  const [machine] = computer.provider.machines;
  expect(machine?.request.name).toBe(`box-${row.token}`);
  expect(row.hostPublicKey).toBe(machine?.request.hostKey.publicKey ?? "");
  expect(computer.journal.agentToken(row.token)).toBe(machine?.request.agentToken);
  expect(row.leaseEndsAt).toBe(computer.clock.now() + 3_600_000);
});

test("no secret is in what the journal shows", async () => {
  const computer = await computerWith();
  const row = await launch(computer);
  const request = computer.provider.machines[0]?.request;
  const shown = JSON.stringify([row, computer.journal.events()]);
  expect(shown).not.toContain(request?.agentToken);
  expect(shown).not.toContain("PRIVATE KEY");
});

test("a name that is too long for the provider is cut, the token never", async () => {
  const computer = await computerWith({ facts: { nameMax: 24 } });
  const { token } = await launch(computer, { name: "abcdef" });
  expect(computer.provider.machines[0]?.request.name).toBe(`abc-${token}`);
});

test("when the answer is lost the machine is found by its token, and not asked for again", async () => {
  const computer = await computerWith({ unlistedMs: 20_000 });
  computer.provider.troubles.push("answer-lost");
  expect(await launch(computer)).toMatchObject({ state: "LAUNCHED", instanceId: "i-1" });
  expect(computer.provider.launched).toBe(1);
});

test("when the request is lost it is given up after the settle window, not before, and not repeated", async () => {
  const computer = await computerWith({ facts: { settleMs: 60_000 } });
  const began = computer.clock.now();
  computer.provider.troubles.push("request-lost");
  const error = await errorOf(launch(computer));
  expect(error.message).toBe("fake did not answer the launch, and no instance appeared");
  expect(computer.clock.now() - began).toBeGreaterThan(60_000);
  expect(computer.provider.calls.filter((call) => call.startsWith("launch"))).toHaveLength(1);
  expect(computer.journal.launches()).toMatchObject([{ state: "ABSENT" }]);
});

test("a list that cannot be had is not an empty list", async () => {
  const computer = await computerWith({ unlistedMs: 20_000 });
  computer.provider.troubles.push("answer-lost");
  computer.provider.failures.list.push(...Array.from({ length: 30 }, () => new Error("502")));
  expect(await launch(computer)).toMatchObject({ state: "LAUNCHED" });
});

test("a machine that can neither be seen nor ended stays to be stopped", async () => {
  const computer = await computerWith();
  computer.provider.troubles.push("answer-lost");
  computer.provider.failures.list.push(...Array.from({ length: 100 }, () => new Error("502")));
  const error = await errorOf(launch(computer));
  expect(error.message).toContain("502");
  expect(error.hint).toContain("`gpu stop` tries again");
  expect(computer.journal.launches()).toMatchObject([{ state: "STOPPING" }]);
});

for (const [trouble, exitCode] of [["capacity", 1], ["quota", 1], ["login", 4]] as const) {
  test(`refused for ${trouble}: nothing is rented, and the journal says so`, async () => {
    const computer = await computerWith();
    computer.provider.troubles.push(trouble);
    const error = await errorOf(launch(computer));
    expect(error).toMatchObject({ message: `fake refused the launch: no ${trouble}`, exitCode });
    expect(computer.journal.launches()).toMatchObject([{ state: "ABSENT", endWhy: error.message }]);
    expect(computer.provider.calls).not.toContain("list");
  });
}

test("interrupted while the answer is on its way: what was launched is given back", async () => {
  const computer = await computerWith();
  computer.provider.troubles.push("answer-hangs");
  const interrupt = new AbortController();
  const launching = errorOf(launch(computer, {}, { signal: interrupt.signal }));
  while (computer.provider.launched === 0) await new Promise(setImmediate);
  interrupt.abort(new InterruptedError("SIGTERM"));
  expect(await launching).toMatchObject({ kind: "interrupted", exitCode: 143 });
  expect(computer.provider.machines).toEqual([]);
  expect(computer.journal.launches()).toMatchObject([{ state: "STOPPED" }]);
});

test("interrupted before anything is sent: nothing is written", async () => {
  const computer = await computerWith();
  const interrupt = new AbortController();
  interrupt.abort(new InterruptedError());
  await errorOf(launch(computer, {}, { signal: interrupt.signal }));
  expect(computer.journal.launches()).toEqual([]);
  expect(computer.provider.launched).toBe(0);
});

test("what is too dear is refused before anything is written", async () => {
  const computer = await computerWith();
  const error = await errorOf(launch(computer, { hours: 4, budgetDollars: 2 }));
  expect(error.message).toBe("renting `gpu_1x_a10` for 4 h can cost $3.00, and the budget is $2.00");
  expect(error.hint).toBe("a lease of 2.66 h fits the budget");
  expect(computer.journal.launches()).toEqual([]);
});

test("without a type the cheapest that is free and has a GPU is rented", async () => {
  const computer = await computerWith({
    types: [
      { type: "cpu", pricePerHour: 0.2 },
      { type: "a10", pricePerHour: 0.75, gpu: "A10", free: 0 },
      { type: "h100", pricePerHour: 3, gpu: "H100", regions: ["eu-1", "us-1"] },
      { type: "b200", pricePerHour: 5, gpu: "B200" },
    ],
  });
  expect(await launch(computer)).toMatchObject({ type: "h100", region: "eu-1" });
  expect(await launch(computer, { type: "cpu" })).toMatchObject({ type: "cpu" });
});

test("what is not there is named, with what to do", async () => {
  const types = [{ type: "a10", pricePerHour: 1, gpu: "A10", regions: ["us-1"] }];
  const computer = await computerWith({ types });
  expect(await errorOf(launch(computer, { type: "a11" }))).toMatchObject({
    message: "there is no instance type `a11`",
    hint: "`gpu available` lists the types",
  });
  expect(await errorOf(launch(computer, { type: "a10", region: "mars" }))).toMatchObject({
    message: "no `a10` is free right now in `mars`",
    hint: "it is in `us-1`",
  });
  expect(await errorOf(launch(computer, { hours: Number.NaN }))).toMatchObject({ exitCode: 2 });
  expect(await errorOf(launch(computer, { name: "../x" }))).toMatchObject({ exitCode: 2 });
});

test("ready: SSH is asked again until it answers with the pinned key, then the lease owns the machine", async () => {
  const computer = await computerWith({ bootMs: 3_000 });
  const { token, hostPublicKey } = await launch(computer);
  const asked: unknown[] = [];
  const ready = await waitFor(computer, token, {
    answers: async (address, hostKey) => {
      asked.push([address.host, hostKey === hostPublicKey]);
      if (asked.length < 3) throw new Error("connection refused");
    },
  });
  expect(asked).toEqual([["192.0.2.1", true], ["192.0.2.1", true], ["192.0.2.1", true]]);
  expect(ready).toMatchObject({ owner: "lease", host: "192.0.2.1", readyAt: computer.clock.now() });
});

test("never ready: the machine is given back and the error says so", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer);
  const error = await errorOf(waitFor(computer, token, {
    answers: async () => {
      throw new Error("connection refused");
    },
  }));
  expect(error.message).toBe("`i-1` was not ready after 10 min: connection refused; it was given back");
  expect(computer.provider.machines).toEqual([]);
  expect(computer.journal.launch(token)).toMatchObject({
    state: "STOPPED",
    endWhy: expect.stringContaining("not ready"),
  });
});

test("never ready: a login that hangs does not outlast the time that was given", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer);
  const began = computer.clock.now();
  const answers = (_address: unknown, _key: unknown, signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const error = await errorOf(waitFor(computer, token, { timeoutMs: 20_000, answers }));
  expect(error.message).toBe("`i-1` was not ready after 20 s: time is up; it was given back");
  expect(computer.clock.now() - began).toBeLessThan(25_000);
});

test("unhealthy or gone while it boots: given back at once", async () => {
  const computer = await computerWith({ bootMs: 60_000 });
  const sick = await launch(computer, { name: "sick" });
  for (const machine of computer.provider.machines) machine.isUnhealthy = true;
  expect(await errorOf(waitFor(computer, sick.token))).toMatchObject({
    message: "`sick` is unhealthy; it was given back",
  });
  const lost = await launch(computer, { name: "lost" });
  computer.journal.markSeen(lost.token);
  computer.provider.vanish("i-2");
  expect(await errorOf(waitFor(computer, lost.token))).toMatchObject({
    message: expect.stringContaining("`lost` ended before it was ready"),
  });
  expect(computer.journal.launches({ open: true })).toEqual([]);
});

test("interrupted while waiting: what the run owns is given back, what a lease owns is not", async () => {
  const computer = await computerWith({ bootMs: 60_000 });
  for (const [owner, left] of [["run", 0], ["lease", 1]] as const) {
    const { token } = await launch(computer);
    if (owner === "lease") computer.journal.handToLease(token);
    const interrupt = new AbortController();
    const waiting = errorOf(waitFor(computer, token, { signal: interrupt.signal }));
    await computer.world.clock.sleep(2_500);
    interrupt.abort(new InterruptedError());
    expect(await waiting).toMatchObject({ kind: "interrupted", exitCode: 130 });
    expect(computer.provider.machines).toHaveLength(left);
  }
});

test("stopped by somebody else while it is waited for", async () => {
  const computer = await computerWith({ bootMs: 10_000 });
  const { token } = await launch(computer);
  const waiting = errorOf(waitFor(computer, token));
  computer.journal.markStopping(token, "gpu stop");
  expect((await waiting).message).toStartWith("`i-1` was stopped before it was ready");
  expect(computer.provider.machines).toEqual([]);
});

test("stopped by somebody else before the machine is found: it is ended as soon as it is", async () => {
  const computer = await computerWith({ unlistedMs: 10_000 });
  computer.provider.troubles.push("answer-lost");
  const launching = errorOf(launch(computer, { name: "late" }));
  while (computer.provider.launched === 0) await new Promise(setImmediate);
  const late = computer.journal.launches({ open: true })[0];
  computer.journal.markStopping(late?.token ?? "", "gpu stop");
  expect((await launching).message).toContain("was stopped while it was being launched");
  expect(computer.provider.machines).toEqual([]);
});

test("a journal that cannot be used rents nothing", async () => {
  const computer = await computerWith();
  computer.journal[Symbol.dispose]();
  rmSync(`${computer.state}/journal.db`);
  await Bun.write(`${computer.state}/journal.db`, "no database ".repeat(500));
  const journal = await computer.reopen();
  const error = await errorOf(launch({ ...computer, journal }));
  expect(error.message).toContain("cannot be used: file is not a database");
  expect(computer.provider.calls).toEqual([]);
});
