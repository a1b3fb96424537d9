import { afterEach, expect, test } from "bun:test";
import { Instance, instanceOf, listInstances } from "../../src/rent/instances.ts";
import { clientKey } from "../../src/rent/key.ts";
import { checkBudget, committedCost, costSoFar, leaseCost } from "../../src/rent/lease.ts";
import { resolveInstance } from "../../src/rent/resolve.ts";
import { stopInstance } from "../../src/rent/stop.ts";
import { spawnSync } from "node:child_process";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import type { FakeOptions } from "../fake/provider.ts";
import { testWith } from "../needs.ts";
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

function list(computer: Computer, onProblem?: (problem: { provider: string; error: unknown }) => void) {
  return listInstances({ ...computer, providers: [computer.provider], onProblem });
}

function resolve(computer: Computer, selector?: string, includeStopped = false) {
  return resolveInstance({ ...computer, providers: [computer.provider], selector, includeStopped });
}

test("what is rented is shown with its lease and its cost", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer, { name: "box", hours: 2 });
  await waitFor(computer, token);
  await computer.world.clock.sleep(30 * 60_000);
  const instances = await list(computer);
  expect(instances).toEqual([{
    id: "i-1",
    name: "box",
    provider: "fake",
    type: "gpu_1x_a10",
    region: "us-west-1",
    state: "running",
    unknownWhy: null,
    address: { host: "192.0.2.1", port: 22, user: "ubuntu" },
    pricePerHour: 0.75,
    costDollars: 0.375,
    launchedAt: "2026-01-01T00:00:00.000Z",
    readyAt: "2026-01-01T00:00:00.000Z",
    leaseEndsAt: "2026-01-01T02:00:00.000Z",
    leaseMinutesLeft: 90,
    owner: "lease",
    keptWhy: null,
    run: "a1",
    token,
  }]);
  expect(Instance.array().parse(instances)).toEqual(instances);
});

test("every field of an instance is described", () => {
  for (const field of Object.values(Instance.shape)) expect(field.description).toBeString();
});

test("a newborn boots, what is being stopped is stopping, what ended by itself is not shown", async () => {
  const computer = await computerWith({ unlistedMs: 10_000, stopMs: 60_000 });
  const { token } = await launch(computer);
  expect(await list(computer)).toMatchObject([{ id: "i-1", state: "booting", address: null }]);
  await computer.world.clock.sleep(10_000);
  expect(await list(computer)).toMatchObject([{ state: "running" }]);
  await stopInstance({ ...computer, target: { token }, why: "gpu stop", patienceMs: 0 });
  expect(await list(computer)).toMatchObject([{ state: "stopping" }]);
  const other = await launch(computer);
  computer.journal.markSeen(other.token);
  computer.provider.vanish("i-2");
  expect((await list(computer)).map(({ id }) => id)).toEqual(["i-1"]);
  expect(computer.journal.launch(other.token)).toMatchObject({ state: "STOPPED", endWhy: "it ended without us" });
});

test("a machine that the journal does not know is shown as a stranger, without what could steer a terminal", async () => {
  const computer = await computerWith();
  computer.provider.add({ name: "evil\x1b]0;title\x07", token: "ffffffffffffffffffff" });
  expect(await list(computer)).toMatchObject([{
    id: "i-1",
    name: "evil ]0;title",
    owner: "unknown",
    state: "running",
    costDollars: null,
    token: "ffffffffffffffffffff",
  }]);
});

test("a cloud that cannot be asked hides nothing that the journal knows", async () => {
  const computer = await computerWith();
  await launch(computer);
  computer.provider.failures.list.push(new Error("502"));
  const problems: unknown[] = [];
  expect(await list(computer, (problem) => problems.push(problem))).toMatchObject([{ id: "i-1", state: "unknown" }]);
  expect(problems).toEqual([{ provider: "fake", error: new Error("502") }]);
});

test("a launch without an answer is shown by its token and can be stopped by it", async () => {
  const computer = await computerWith();
  computer.provider.troubles.push("answer-lost");
  computer.provider.failures.list.push(new Error("502"), new Error("502"));
  const launching = errorOf(launch(computer));
  while (!computer.provider.calls.includes("list")) await new Promise(setImmediate);
  const [instance] = await list(computer);
  expect(instance).toMatchObject({ state: "unknown", id: instance?.token ?? "" });
  const { id, token } = await resolve(computer, instance?.id ?? "");
  expect(await stopInstance({ ...computer, target: { token, instanceId: id }, why: "gpu stop" })).toBe("stopped");
  expect(computer.provider.calls.filter((call) => call.startsWith("terminate"))).not.toContain(`terminate ${token}`);
  expect((await launching).message).toContain("was stopped while it was being launched");
  expect(computer.provider.machines).toEqual([]);
});

test("an instance is found by id, name, or the beginning of its id", async () => {
  const computer = await computerWith();
  const rows = [await launch(computer, { name: "box" }), await launch(computer, { name: "i-1" })];
  for (let count = 2; count < 10; count++) await launch(computer);
  expect(await resolve(computer, "box")).toMatchObject({ id: "i-1" });
  // An id goes before a name, a whole id before the beginning of another.
  expect(await resolve(computer, "i-1")).toMatchObject({ id: "i-1" });
  expect(await resolve(computer, "i-10")).toMatchObject({ id: "i-10" });
  expect(await resolve(computer, rows[1]?.token)).toMatchObject({ id: "i-2" });
  expect(await errorOf(resolve(computer, "i-"))).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("`i-` can mean several instances: `i-1` (box), `i-2` (i-1), `i-3`"),
  });
  expect(await errorOf(resolve(computer, "nope"))).toMatchObject({
    kind: "not-found",
    hint: "`gpu status` lists them",
  });
  expect(await errorOf(resolve(computer, ""))).toMatchObject({ kind: "not-found" });
});

test("without a name the only instance is meant, but never a stranger", async () => {
  const computer = await computerWith();
  expect(await errorOf(resolve(computer))).toMatchObject({
    message: "no instance is running",
    hint: "`gpu start` rents one",
  });
  computer.provider.add({ name: "theirs" });
  expect((await errorOf(resolve(computer))).message).toBe(
    "no instance of this computer is running, only others: `i-1` (theirs)",
  );
  await launch(computer, { name: "ours" });
  expect(await resolve(computer)).toMatchObject({ id: "i-2" });
  await launch(computer);
  expect(await errorOf(resolve(computer))).toMatchObject({
    exitCode: 2,
    message: "several instances are running: `i-2` (ours), `i-3`",
  });
});

test("what is gone is found where that is asked for", async () => {
  const computer = await computerWith();
  const { token } = await launch(computer, { name: "box" });
  await waitFor(computer, token);
  await stopInstance({ ...computer, target: { token }, why: "gpu stop" });
  expect(await errorOf(resolve(computer, "i-1"))).toMatchObject({ kind: "not-found" });
  expect(await resolve(computer, "i-1", true)).toMatchObject({ state: "stopped", name: "box" });
});

test("money: a lease, what was spent, and what can still be", async () => {
  expect(leaseCost({ pricePerHour: 0.1, hours: 3 })).toBe(0.3);
  const computer = await computerWith();
  const row = await launch(computer, { hours: 2 });
  const hour = row.createdAt + 3_600_000;
  expect(costSoFar(row, hour)).toBe(0.75);
  expect(committedCost(row, hour)).toBe(1.5);
  expect(costSoFar({ ...row, stoppedAt: hour }, hour * 2)).toBe(0.75);
  expect(committedCost({ ...row, state: "STOPPED", stoppedAt: hour }, hour * 2)).toBe(0.75);
  expect(committedCost({ ...row, state: "ABSENT" }, hour)).toBe(0);
  expect(costSoFar({ ...row, launchedAt: null }, hour)).toBe(0);
  expect(instanceOf({ launch: row, now: hour * 2 })).toMatchObject({ leaseMinutesLeft: 0 });
  expect(() => checkBudget({ type: "a", pricePerHour: 1, hours: 2, budgetDollars: 2 })).not.toThrow();
  expect(() => checkBudget({ type: "a", pricePerHour: 500, hours: 2, budgetDollars: 2 })).toThrow("can cost $1000.00");
});

testWith("ssh-keygen")("the client's key is made once, for its owner alone, and OpenSSH reads it", async () => {
  const computer = await computerWith();
  const keys = await Promise.all(Array.from({ length: 5 }, () => clientKey(computer.world)));
  const [key] = keys;
  if (key === undefined) throw new Error("no key");
  expect(new Set(keys.map(({ privateKey }) => privateKey)).size).toBe(1);
  expect(statSync(key.path).mode & 0o777).toBe(0o600);
  expect(readdirSync(computer.state).filter((file) => file.startsWith("id_"))).toEqual(["id_ed25519"]);
  const openssh = spawnSync("ssh-keygen", ["-y", "-f", key.path], { encoding: "utf8" });
  expect(openssh.stdout.trim()).toBe(key.publicKey);
});

test("a damaged key is named, not replaced", async () => {
  const computer = await computerWith();
  const { path, privateKey } = await clientKey(computer.world);
  for (const content of ["", "junk", privateKey.slice(0, 60) + "\n-----END OPENSSH PRIVATE KEY-----\n"]) {
    writeFileSync(path, content);
    expect((await errorOf(clientKey(computer.world))).message).toStartWith(`the SSH key \`${path}\` cannot be read`);
  }
});
