import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBucket } from "../../src/http/bucket.ts";
import { FakeClock } from "../fake/clock.ts";

const root = mkdtempSync(join(tmpdir(), "gpu-bucket-"));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
function place({ clock = new FakeClock(), state = join(root, String(++count)) } = {}) {
  const open = (name = "b", everyMs = 1000) =>
    openBucket({ clock, folders: { config: "", cache: "", state } }, { name, everyMs });
  const start = clock.now();
  return { clock, state, open, sinceStart: () => clock.now() - start };
}

/** Lets one after the other come to the queue. */
const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));

describe("a bucket", () => {
  test("lets one through at a time, first come first served, whoever opened it", async () => {
    const { open, sinceStart } = place();
    const buckets = [open(), open(), open()];
    for (const bucket of buckets) await bucket.pause(0);
    const order: [number, number][] = [];
    await Promise.all([0, 1, 2, 3, 4].map(async (each) => {
      for (let turn = 0; turn < each; turn++) await turnOfLoop();
      await buckets[each % 3]?.take();
      order.push([each, sinceStart()]);
    }));
    expect(order.map(([each]) => each)).toEqual([0, 1, 2, 3, 4]);
    expect(order.map(([, at], index) => at - (order[index - 1]?.[1] ?? 0)).slice(1).every((gap) => gap >= 1000)).toBe(
      true,
    );
    expect(sinceStart()).toBeLessThanOrEqual(6000);
  });

  test("costs nothing when nobody was there for a while, and counts names apart", async () => {
    const { open, sinceStart } = place();
    await open("a").take();
    await open("b").take();
    expect(sinceStart()).toBe(0);
  });

  test("says how long it takes and who is before", async () => {
    const { open } = place();
    const said: { ms: number; ahead: number }[] = [];
    const bucket = open("b", 3000);
    await bucket.take();
    await bucket.take({ onWait: (wait) => said.push(wait) });
    expect(said).toEqual([{ ms: 3000, ahead: 0 }, { ms: 2000, ahead: 0 }, { ms: 1000, ahead: 0 }]);
  });

  test("gives the place of who is interrupted to the next", async () => {
    const { clock, open, sinceStart } = place({ clock: new FakeClock({ mode: "manual" }) });
    const bucket = open();
    await bucket.take();
    const stop = new AbortController();
    const first = bucket.take({ signal: stop.signal }).catch((error: Error) => error.message);
    await turnOfLoop();
    const second = bucket.take().then(sinceStart);
    await clock.advance(500);
    stop.abort(new Error("Ctrl-C"));
    expect(await first).toBe("Ctrl-C");
    await clock.advance(3000);
    expect(await second).toBeLessThanOrEqual(2000);
    await expect(bucket.take({ signal: stop.signal })).rejects.toThrow("Ctrl-C");
  });

  test("holds everybody back after a pause, also who waits already", async () => {
    const { clock, open, sinceStart } = place({ clock: new FakeClock({ mode: "manual" }) });
    await open().take();
    const waits = Promise.withResolvers<void>();
    const turn = open().take({ onWait: () => waits.resolve() }).then(sinceStart);
    await waits.promise;
    await open().pause(10_000);
    expect(await clock.run(turn)).toBe(10_000);
    expect(clock.pauses.reduce((sum, ms) => sum + ms, 0)).toBe(10_000);
  });

  test("does not wait a day when the clock was set back by one", async () => {
    const { state, open } = place();
    await open().take();
    const clock = new FakeClock({ now: new FakeClock().now() - 86_400_000 });
    const yesterday = place({ clock, state });
    await yesterday.open().take();
    expect(yesterday.sinceStart()).toBe(1000);
  });

  test("is its owner's alone", async () => {
    const { state, open } = place();
    await open().take();
    expect(statSync(join(state, "rates.db")).mode & 0o777).toBe(0o600);
    expect(statSync(state).mode & 0o777).toBe(0o700);
  });

  test("counts for this process alone where it cannot be kept, and is made anew where it is damaged", async () => {
    const { state, open, sinceStart } = place();
    mkdirSync(state, { recursive: true });
    writeFileSync(join(state, "rates.db"), "this is not a database ".repeat(100));
    const bucket = open();
    await bucket.take();
    await bucket.take();
    expect(sinceStart()).toBe(1000);
    await open().take();
    expect(statSync(join(state, "rates.db")).size).toBeGreaterThan(4000);
    const inTheWay = join(root, "file");
    writeFileSync(inTheWay, "");
    const alone = place({ state: join(inTheWay, "state") });
    const other = alone.open();
    await other.take();
    await other.take();
    expect(alone.sinceStart()).toBe(1000);
  });
});

describe("between processes", () => {
  const main = join(root, "taker.ts");
  const source = join(import.meta.dir, "../../src/http/bucket.ts");
  writeFileSync(
    main,
    `import { openBucket } from ${JSON.stringify(source)};
     const [state, everyMs, times] = process.argv.slice(2);
     const clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep: (ms) => Bun.sleep(ms) };
     const bucket = openBucket({ clock, folders: { state } }, { name: "b", everyMs: Number(everyMs) });
     for (let time = 0; time < Number(times); time++) {
       await bucket.take({ onWait: () => time === 0 && process.stderr.write("waits\\n") });
       console.log(Date.now());
     }`,
  );
  const start = (state: string, { everyMs, times }: { everyMs: number; times: number }) =>
    Bun.spawn([process.execPath, main, state, String(everyMs), String(times)], { stdout: "pipe", stderr: "pipe" });

  test("there is one rate: four that start at once", async () => {
    const state = join(root, "four");
    const children = [1, 2, 3, 4].map(() => start(state, { everyMs: 60, times: 5 }));
    const times = (await Promise.all(children.map(({ stdout }) => new Response(stdout).text()))).flatMap((text) =>
      text.trim().split("\n").map(Number)
    ).toSorted((one, other) => one - other);
    expect(times).toHaveLength(20);
    // A process may be late in saying when its turn came, never early: so over any stretch the rate is kept.
    const latenessMs = 40;
    const first = times[0] ?? 0;
    times.forEach((time, index) => expect(time - first).toBeGreaterThanOrEqual(index * 60 - latenessMs));
  });

  test("one that is killed while it waits costs the others only a moment", async () => {
    const state = join(root, "killed");
    const clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep: (ms: number) => Bun.sleep(ms) };
    const bucket = openBucket({ clock, folders: { config: "", cache: "", state } }, { name: "b", everyMs: 30_000 });
    await bucket.take();
    const child = start(state, { everyMs: 30_000, times: 1 });
    await child.stderr.getReader().read();
    child.kill("SIGKILL");
    await child.exited;
    const fake = new FakeClock({ now: Date.now() });
    const later = openBucket({ clock: fake, folders: { config: "", cache: "", state } }, {
      name: "b",
      everyMs: 30_000,
    });
    const before = fake.now();
    await later.take();
    expect(fake.now() - before).toBeLessThanOrEqual(31_000); // its own turn, not the dead one's as well
  });
});
