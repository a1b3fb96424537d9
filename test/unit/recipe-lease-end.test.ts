import { expect, test } from "bun:test";
import { instanceHandle } from "../../src/recipe/instance-handle.ts";
import { noParts } from "./instance-parts.ts";
import { LeaseEnd } from "../../src/recipe/lease-end.ts";
import { FakeClock } from "../fake/clock.ts";

const minuteMs = 60_000;

/** A lease that began now, on a clock that the test moves. */
function leased({ minutes = 60 } = {}) {
  const clock = new FakeClock({ mode: "manual" });
  const notes: string[] = [];
  const events: string[] = [];
  let lease: { createdAt: number; leaseEndsAt: number } | undefined = {
    createdAt: clock.now(),
    leaseEndsAt: clock.now() + minutes * minuteMs,
  };
  const say = (event: string) => events.push(`${(clock.now() - begun) / minuteMs} min: ${event}`);
  const begun = clock.now();
  const watched = {
    clock,
    label: "i-1 (box)",
    read: () => lease,
    warnMs: () => Promise.resolve(10 * minuteMs),
    note: (text: string) => notes.push(text),
  };
  const handle = instanceHandle({
    ...{ ...noParts, id: "i-1", name: "box", lease: watched },
    stop: () => Promise.resolve(void say("stopped")),
  });
  return {
    ...{ clock, notes, events, say, handle, watched },
    extend: (more: number) => lease = lease && { ...lease, leaseEndsAt: lease.leaseEndsAt + more * minuteMs },
    end: () => lease = undefined,
    pass: (howMany: number) => clock.advance(howMany * minuteMs),
  };
}

/** Whether a promise is settled by now. */
async function isDone(promise: PromiseLike<unknown>): Promise<boolean> {
  const later = new Promise((resolve) => setImmediate(() => setImmediate(resolve, "later")));
  return await Promise.race([promise.then(() => "done"), later]) === "done";
}

test("a handler runs ten minutes before the end, and again before an end that was moved", async () => {
  const it = leased();
  it.handle.onLeaseEnd(({ name }) => void it.say(`saving ${name}`));
  await it.pass(49);
  expect(it.events).toEqual([]);
  await it.pass(2);
  expect(it.events).toEqual(["50 min: saving box"]);
  it.extend(60);
  await it.pass(58);
  expect(it.events).toHaveLength(1);
  await it.pass(5);
  expect(it.events).toEqual(["50 min: saving box", "110 min: saving box"]);
  expect(it.notes).toEqual([]);
});

test("when to begin is said as a duration; a short lease begins when half of it is over", async () => {
  const it = leased();
  it.handle.onLeaseEnd(() => void it.say("early"), { before: "20m" });
  it.handle.onLeaseEnd(() => void it.say("late"), { before: 90_000 });
  await it.pass(59);
  expect(it.events).toEqual(["40 min: early", "58.5 min: late"]);
  expect(() => it.handle.onLeaseEnd(() => {}, { before: "soon" as "1m" })).toThrow("`soon` is not a duration");
  const short = leased({ minutes: 4 });
  short.handle.onLeaseEnd(() => void short.say("half"));
  await short.pass(3);
  expect(short.events).toEqual(["2 min: half"]);
});

test("what fails is said, and keeps nothing", async () => {
  const it = leased();
  it.handle.onLeaseEnd(() => Promise.reject(new Error("no space left")));
  it.handle.onLeaseEnd(() => {
    throw new Error("a typo");
  });
  await it.pass(51);
  expect(it.notes).toEqual([
    "warning: `onLeaseEnd` of i-1 (box) failed: no space left",
    "warning: `onLeaseEnd` of i-1 (box) failed: a typo",
  ]);
  await it.handle[Symbol.asyncDispose]();
  expect(it.events).toEqual(["51 min: stopped"]);
});

test("the instance is not stopped before a handler at work is done", async () => {
  const it = leased();
  const { promise: saved, resolve } = Promise.withResolvers<void>();
  it.handle.onLeaseEnd(() => saved);
  await it.pass(51);
  const disposed = it.handle[Symbol.asyncDispose]();
  await it.pass(1);
  expect(await isDone(disposed)).toBe(false);
  resolve();
  await disposed;
  expect(it.events).toEqual(["52 min: stopped"]);
});

test("a handler is waited for until the lease ends, where that was moved to, and no longer", async () => {
  const it = leased();
  it.handle.onLeaseEnd(() => new Promise(() => {}));
  await it.pass(51);
  it.extend(5);
  const disposed = it.handle[Symbol.asyncDispose]();
  await it.pass(12);
  expect(await isDone(disposed)).toBe(false);
  await it.pass(3);
  await disposed;
  expect(it.notes).toEqual(["warning: `onLeaseEnd` of i-1 (box) was not done when the lease ended"]);
});

test("a handler may stop the instance itself, also while the recipe ends", async () => {
  const it = leased();
  const { promise: saved, resolve } = Promise.withResolvers<void>();
  it.handle.onLeaseEnd(async (box) => {
    await saved;
    await box.stop();
    it.say("the handler is done");
  });
  await it.pass(51);
  const disposed = it.handle[Symbol.asyncDispose]();
  resolve();
  await disposed;
  expect(it.events).toEqual(["51 min: stopped", "51 min: the handler is done"]);
});

test("nothing runs once the instance is gone, or let go of", async () => {
  const gone = leased();
  gone.handle.onLeaseEnd(() => void gone.say("saving"));
  gone.end();
  await gone.pass(55);
  expect(gone.events).toEqual([]);
  const closed = leased();
  const leaseEnd = new LeaseEnd(closed.watched);
  leaseEnd.add(() => void closed.say("saving"));
  await closed.pass(1);
  await leaseEnd.close();
  await closed.pass(59);
  expect([closed.events, closed.notes, closed.clock.sleeping]).toEqual([[], [], 0]);
});
