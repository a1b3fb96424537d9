import { afterEach, expect, test } from "bun:test";
import { describeStillRunning } from "../../src/rent/still-running.ts";
import { mayBeStillRunning } from "../../src/rent/stop-marker.ts";
import { findWatched, forgetLaunch } from "../../src/rent/forget.ts";
import { listInstances } from "../../src/rent/instances.ts";
import { reconcile } from "../../src/rent/reconcile.ts";
import type { Launch } from "../../src/rent/rows.ts";
import { survey } from "../../src/rent/survey.ts";
import { through } from "../fake/mortal.ts";
import { type Computer, errorOf, launch, rentingComputer, waitFor } from "./rent-fixture.ts";

const hourMs = 3_600_000;

let computer: Computer;
afterEach(() => computer[Symbol.dispose]());

/** An instance that was rented with one account, and a key of another: its list is empty. */
async function withOtherKey({ hours = 2 } = {}) {
  computer = await rentingComputer({ facts: { settleMs: 1_000, pollMs: 1_000 } });
  const { journal, clock } = computer;
  const mine = Object.assign(computer.provider, { account: () => Promise.resolve("mine") });
  const row = await launch({ ...computer, account: "mine" } as Computer, { hours, name: "box" });
  await waitFor(computer, row.token);
  const answers: Record<string, unknown> = { list: [], get: undefined, account: "theirs" };
  const other = through(mine, (call, method) => method in answers ? Promise.resolve(answers[method]) : call());
  await clock.sleep(60_000);
  return { journal, clock, row, mine, other };
}

test("a cloud whose provider cannot even be loaded proves nothing gone", async () => {
  computer = await rentingComputer();
  const { token } = await launch(computer, { name: "box" });
  await waitFor(computer, token);
  const fleet = { ...computer, providers: [], unreachable: new Map([["fake", "there is no provider `fake`"]]) };
  expect(await survey({ ...fleet, isRunAlive: () => true })).toMatchObject([
    { verdict: "unasked", why: "there is no provider `fake`", isAsked: false, launch: { token } },
  ]);
  expect(await listInstances(fleet)).toMatchObject([
    { id: "i-1", state: "unknown", unknownWhy: "there is no provider `fake`" },
  ]);
});

test("the empty list of another account settles nothing, and the row stays open", async () => {
  const { journal, row, other } = await withOtherKey();
  const provider = () => Promise.resolve(other);
  const why = "it belongs to the account `mine` of fake, and the key at hand is of `theirs`";
  const found = await survey({ ...computer, providers: [other], isRunAlive: () => true });
  expect(found).toMatchObject([{ verdict: "unasked", why, isAsked: false }]);
  const report = await reconcile({ ...computer, provider, isRunAlive: () => true, askAlso: ["fake"] });
  expect(report).toEqual({ stopped: [], stopping: [], gone: [], problems: [] });
  expect(journal.launch(row.token)).toMatchObject({ state: "LAUNCHED" });
  const told: unknown[] = [];
  const onProblem = (problem: unknown) => told.push(problem);
  expect(await listInstances({ ...computer, providers: [other], onProblem })).toMatchObject([
    { state: "unknown", unknownWhy: why },
  ]);
  expect(told).toMatchObject([{ provider: "fake", about: "i-1 (box)" }]);
});

test("what is due there stays due, and is told", async () => {
  const { clock, other, mine, journal, row } = await withOtherKey({ hours: 1 });
  await clock.sleep(hourMs);
  const found = await survey({ ...computer, providers: [other], isRunAlive: () => true });
  expect(found[0]?.why).toEndWith("; to be stopped: its lease is over");
  const reconcileWith = (provider: typeof mine) =>
    reconcile({ ...computer, provider: () => Promise.resolve(provider), isRunAlive: () => true });
  const report = await reconcileWith(other);
  expect(report.problems).toMatchObject([{ provider: "fake", token: row.token }]);
  expect(describeStillRunning(journal, clock.now())).toHaveLength(1);
  expect(await reconcileWith(mine)).toMatchObject({ stopped: [row.token] });
});

test("what is forgotten is not watched, not looked for and not shouted about; that it was is in the log", async () => {
  const { journal, clock, row, mine, other } = await withOtherKey({ hours: 1 });
  await clock.sleep(hourMs);
  const reconcileWith = (provider: typeof mine) =>
    reconcile({ ...computer, provider: () => Promise.resolve(provider), isRunAlive: () => true, askAlso: ["fake"] });
  await reconcileWith(other);
  expect(mayBeStillRunning(computer.state)).toBe(true);
  const [watched] = findWatched(journal, ["box", "i-1", row.token]);
  forgetLaunch(journal, watched as Launch);
  expect(journal.launches({ open: true })).toEqual([]);
  expect(describeStillRunning(journal, clock.now())).toEqual([]);
  expect(mayBeStillRunning(computer.state)).toBe(false);
  expect(journal.agentToken(row.token)).toBeUndefined();
  expect(journal.events({ token: row.token }).at(-1)).toMatchObject({
    kind: "forgotten",
    text: "not watched any more, it may still run and cost money; it was to be stopped (its lease is over)",
  });
  // Its account comes back within the day in which a machine that was given up would be stopped.
  expect(await reconcileWith(mine)).toMatchObject({ stopped: [], problems: [] });
  expect(mine.machines).toHaveLength(1);
  expect(await survey({ ...computer, providers: [mine], isRunAlive: () => true })).toMatchObject([
    { verdict: "foreign", why: "it was to be forgotten; `gpu adopt` takes it back" },
  ]);
});

test("a launch that was forgotten before it had an id is not looked for either", async () => {
  computer = await rentingComputer({ facts: { settleMs: 1_000 } });
  const { journal } = computer;
  computer.provider.troubles.push("request-lost");
  const abandoned = new AbortController();
  const launching = errorOf(launch(computer, { name: "box" }, { signal: abandoned.signal }));
  while (!computer.provider.calls.includes("list")) await new Promise(setImmediate);
  const [open] = findWatched(journal, ["box"]);
  expect(forgetLaunch(journal, open as Launch)).toMatchObject({ state: "ABSENT" });
  abandoned.abort(new Error("over"));
  await launching;
  const calls = computer.provider.calls.length;
  const provider = () => Promise.resolve(computer.provider);
  await reconcile({ ...computer, provider, isRunAlive: () => true });
  expect(computer.provider.calls).toHaveLength(calls);
});

test("only what is watched can be forgotten, and it must be clear what is meant", async () => {
  const { journal, row } = await withOtherKey();
  await waitFor(computer, (await launch(computer, { name: "box" })).token);
  const message = (selector: string) => errorOf(Promise.resolve().then(() => findWatched(journal, [selector])));
  expect((await message("nothing")).message).toBe("no instance `nothing` is watched");
  expect((await message("")).message).toBe("no instance `` is watched");
  expect((await message("box")).message).toBe("`box` can mean several instances: i-1 (box), i-2 (box)");
  expect(findWatched(journal, ["i-1"])).toMatchObject([{ token: row.token }]);
});
