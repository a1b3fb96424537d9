// What an instance's handle does over time and with money, on a clock that only the test moves.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { instanceHandle } from "../../src/recipe/instance-handle.ts";
import type { InstanceParts } from "../../src/recipe/handles.ts";
import { waitUntilReady } from "../../src/recipe/job-ready.ts";
import { bar, table } from "../../src/recipe/table.ts";
import { tunnelHandle } from "../../src/recipe/tunnel-handle.ts";
import type { Job } from "../../src/jobs/job.ts";
import { FakeClock } from "../fake/clock.ts";
import { noParts } from "./instance-parts.ts";
import { type Bench, openBench } from "./recipe-fixture.ts";

const minute = 60_000;
const hour = 60 * minute;

function box(parts: Partial<InstanceParts> = {}) {
  const clock = new FakeClock({ mode: "manual", now: 0 });
  const notes: string[] = [];
  const events: string[] = [];
  const handle = instanceHandle({
    ...noParts,
    lease: {
      clock,
      label: "i-1 (box)",
      read: () => undefined,
      warnMs: () => Promise.resolve(10 * minute),
      note: (text) => void notes.push(text),
    },
    id: "i-1",
    name: "box",
    stop: () => Promise.resolve(void events.push("stop")),
    ...parts,
  });
  return { handle, clock, notes, events };
}

describe("every", () => {
  test("does it when each interval is over, until it is stopped", async () => {
    const { handle, clock } = box();
    const times: number[] = [];
    const saving = handle.every("10m", ({ name }) => void times.push(clock.now() / minute + (name === "box" ? 0 : 99)));
    await clock.advance(35 * minute);
    await saving.stop();
    await clock.advance(hour);
    expect(times).toEqual([10, 20, 30]);
  });

  test("says what failed, and tries again in its turn", async () => {
    const { handle, clock, notes } = box();
    let tries = 0;
    await using _saving = handle.every("1m", () => {
      if (++tries < 3) throw new Error(`no answer ${tries}`);
    });
    await clock.advance(4 * minute);
    expect(notes).toEqual([
      "warning: `every` of i-1 (box) failed: no answer 1",
      "warning: `every` of i-1 (box) failed: no answer 2",
    ]);
    expect(tries).toBe(4);
  });

  test("an instance is stopped when what is at work is done, and nothing is begun any more", async () => {
    const { handle, clock, events } = box();
    const { promise, resolve } = Promise.withResolvers<void>();
    handle.every("1m", async () => {
      events.push("begin");
      await promise;
      events.push("end");
    });
    await clock.advance(minute);
    const stopping = handle.stop();
    await clock.advance(10 * minute);
    expect(events).toEqual(["begin"]);
    resolve();
    await stopping;
    expect(events).toEqual(["begin", "end", "stop"]);
  });

  test("may stop the instance itself", async () => {
    const { handle, clock, events } = box();
    handle.every("1m", (box) => box.stop());
    await clock.advance(minute);
    expect(events).toEqual(["stop"]);
  });

  test("refuses what is no interval", () => {
    const { handle } = box();
    expect(() => handle.every(1, () => {})).toThrow("less than 50 ms");
    expect(() => handle.every("soon" as "1s", () => {})).toThrow("`soon` is not a duration");
  });
});

describe("a sync", () => {
  test("takes its turn, also behind one that failed", async () => {
    const events: string[] = [];
    const { handle } = box({
      async sync(dir) {
        events.push(`begin ${dir}`);
        await Promise.resolve();
        events.push(`end ${dir}`);
        if (dir === "b") throw new Error("no space");
        return { files: 1 } as never;
      },
    });
    const all = await Promise.allSettled(["a", "b", "c"].map((dir) => handle.sync(dir, "there")));
    expect(all.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(events).toEqual(["begin a", "end a", "begin b", "end b", "begin c", "end c"]);
  });
});

describe("hours", () => {
  test("the end of the lease is read anew each time", () => {
    let end = hour;
    const { handle } = box({ leaseEndsAt: () => end });
    expect(handle.expiresAt).toEqual(new Date(hour));
    end = 2 * hour;
    expect(handle.expiresAt).toEqual(new Date(2 * hour));
  });

  test("without `hours` an instance is kept as long as its lease lasts", async () => {
    const kept: unknown[] = [];
    const { handle } = box({ keep: (options) => Promise.resolve(void kept.push(options)) });
    await handle.keep({ why: "to look" });
    expect(kept).toEqual([{ hours: undefined, why: "to look" }]);
  });

  test("a lease is not extended by nothing", async () => {
    await expect(box().handle.extend({ hours: 0 })).rejects.toThrow("`box.extend`: `hours` is `0`");
  });
});

describe("money", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = openBench();
  });
  afterEach(() => bench[Symbol.dispose]());

  const run = async (code: string, budget: string) => {
    bench.write({
      "r.ts": `import { gpu, recipe } from "gpu";
        export default recipe({ summary: "A test", async run() {
          await using box = await gpu.start({ pricePerHour: 1 });
          ${code}
        } });`,
    });
    return await bench.run(["run", "--no-check", "r.ts", "--budget", budget]);
  };

  test("hours beyond the lease need the budget, whether extended or kept", async () => {
    // The lease of the bench is 4 hours from 1970 on; its clock stands there.
    for (const code of ["await box.extend({ hours: 3 });", `await box.keep({ hours: 7, why: "to look" });`]) {
      const refused = await run(code, "3");
      expect({ code, exitCode: refused.exitCode }).toEqual({ code, exitCode: 1 });
      expect(refused.stderr).toContain("would spend up to $3.00");
    }
    expect(bench.events).not.toContain("keep i-1: to look");
  });

  test("hours within the lease are paid for already", async () => {
    expect(await run(`await box.keep({ hours: 3, why: "to look" });`, "1")).toMatchObject({ exitCode: 0 });
    expect(bench.events).toContain("keep i-1: to look");
  });
});

describe("a tunnel", () => {
  const parts = { agentToken: undefined, keep: () => Promise.resolve(), close: () => Promise.resolve() };

  test("has an address for each kind of port", () => {
    const { forwards, url } = tunnelHandle({
      ...parts,
      forwards: [
        { kind: "local", localPort: 4000, remote: "8000" },
        { kind: "socks", localPort: 1080, remote: "socks" },
        { kind: "reverse", localPort: 3000, remote: "9000" },
      ],
    });
    expect(url).toBe("http://127.0.0.1:4000");
    expect(forwards.map(({ url }) => url)).toEqual([
      ...["http://127.0.0.1:4000", "socks5h://127.0.0.1:1080", "http://127.0.0.1:9000"],
    ]);
  });

  test("that is kept is not closed by its scope; one that is closed is not kept", async () => {
    const events: string[] = [];
    const open = () =>
      tunnelHandle({
        agentToken: undefined,
        forwards: [{ kind: "local", localPort: 4000, remote: "8000" }],
        keep: () => Promise.resolve(void events.push("keep")),
        close: () => Promise.resolve(void events.push("close")),
      });
    {
      await using kept = open();
      await kept.keep();
      await kept.keep();
    }
    expect(events).toEqual(["keep"]);
    const closed = open();
    await closed.close();
    await expect(closed.keep()).rejects.toThrow("it is closed already");
  });
});

describe("a job is ready", () => {
  const ended = { state: "failed", exitCode: 5 } as Job;
  async function* words() {
    yield* ["loading", "out of memory"];
  }
  const begin = (
    check: () => boolean | Promise<boolean>,
    end: Promise<Job> = new Promise(() => {}),
  ) => {
    const clock = new FakeClock();
    const signal = new AbortController().signal;
    const waiting = waitUntilReady({
      ...{ name: "serve", clock, signal, check, read: words, options: { every: "1s", timeout: "1m" } },
      ended: (over) =>
        Promise.race([end, new Promise<Job>((_, reject) => over.addEventListener("abort", () => reject(over.reason)))]),
    });
    return { clock, waiting };
  };

  test("when the check is true; what it throws means not yet", async () => {
    let looks = 0;
    const { clock, waiting } = begin(() => {
      if (++looks < 3) throw new Error("refused");
      return looks === 5;
    });
    await waiting;
    expect({ looks, seconds: Math.round((clock.now() - Date.UTC(2026, 0, 1)) / 1000) }).toEqual({
      looks: 5,
      seconds: 4,
    });
  });

  test("never, when it ends before: with its last words", async () => {
    const { waiting } = begin(() => false, Promise.resolve(ended));
    await expect(waiting).rejects.toThrow(
      "the job `serve` ended before it was ready: failed (5):\nloading\nout of memory",
    );
  });

  test("never, when the time is over: with the last reason", async () => {
    const { waiting } = begin(() => Promise.reject(new Error("refused. And more")));
    await expect(waiting).rejects.toThrow("the job `serve` was not ready after 60 s (refused):\nloading");
  });
});

describe("a view", () => {
  test("is a table for people, and the result for programs", async () => {
    using bench = openBench();
    bench.write({
      "r.ts": `import { bar, recipe, table } from "gpu";
        export default recipe({ summary: "A test",
          run: () => [{ type: "a10", cost: 1 }, { type: "h100\\u001b[2J", cost: 4 }],
          view: (runs) => [
            table(runs, { type: ({ type }) => type, cost: ({ cost }) => bar(cost, { max: 4, width: 4 }) }),
            runs.length + " types",
          ] });`,
    });
    expect((await bench.run(["run", "--no-check", "r.ts"])).stdout).toBe("a10\t█\nh100 [2J\t████\n2 types\n");
    const { stdout } = await bench.run(["run", "--no-check", "r.ts", "--json"]);
    expect(JSON.parse(stdout)).toEqual([{ type: "a10", cost: 1 }, { type: "h100\u001b[2J", cost: 4 }]);
  });

  test("what is more than nothing is seen, and nothing is longer than its width", () => {
    const lengths = [0, 1e-9, 0.5, 1, 9].map((value) => bar(value, { max: 1, width: 3 }));
    expect(lengths).toEqual(["", "▏", "█▌", "███", "███"]);
    expect([bar(NaN, { max: 1 }), bar(1, { max: 0 }), bar(-1, { max: 1 })]).toEqual(["", "", ""]);
  });

  test("what a cell does not know is a dash", () => {
    const { rows } = table([{ a: null, b: undefined, c: 0, d: "one\ntwo" }], {
      ...{ a: ({ a }) => a, b: ({ b }) => b, c: ({ c }) => c, d: ({ d }) => d },
    });
    expect(rows).toEqual([["-", "-", "0", "one two"]]);
  });
});
