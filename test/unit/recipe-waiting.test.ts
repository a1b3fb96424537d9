import { afterEach, describe, expect, test } from "bun:test";
import { InterruptedError, UsageError } from "../../src/errors.ts";
import { ask } from "../../src/recipe/ask.ts";
import { log } from "../../src/recipe/log.ts";
import { onExit } from "../../src/recipe/on-exit.ts";
import { parallel } from "../../src/recipe/parallel.ts";
import { currentRun } from "../../src/recipe/current.ts";
import { maskOf } from "../../src/recipe/masked.ts";
import { duration, size } from "../../src/recipe/spans.ts";
import { poll, retry, sleep } from "../../src/recipe/waiting.ts";
import * as z from "../../src/recipe/zod.ts";
import { readParams } from "../../src/surface/params.ts";
import { FakeClock } from "../fake/clock.ts";
import { type FakeRun, fakeRun } from "../fake/recipe-run.ts";
import { fakeTerminal } from "../fake/terminal.ts";

let fake: FakeRun | undefined;
afterEach(() => fake?.[Symbol.dispose]());

function withClock(options: Parameters<typeof fakeRun>[0] = {}): FakeClock {
  const clock = new FakeClock();
  fake = fakeRun({
    ...options,
    world: { clock, random: (count) => new Uint8Array(count).fill(255), ...options.world },
  });
  return clock;
}

describe("poll", () => {
  test("looks until there is something", async () => {
    const clock = withClock();
    let looks = 0;
    expect(await poll(() => ++looks === 3 ? { ready: true } : looks === 2 ? null : false, { every: "5s" })).toEqual({
      ready: true,
    });
    expect(clock.pauses.filter((ms) => ms === 5000)).toHaveLength(2);
    expect(await poll(() => 0)).toBe(0);
  });

  test("takes an error for not yet, and says the last one when its time is over", async () => {
    withClock();
    const refused = () => Promise.reject(Object.assign(new Error("refused"), { code: "ConnectionRefused" }));
    await expect(poll(refused, { every: "1s", timeout: "1m" })).rejects.toThrow("`poll` waited 1m in vain: refused");
    await expect(poll(() => undefined, { every: 1, timeout: 10 })).rejects.toThrow("`poll` waited 0.01 s in vain");
  });

  test("ends at once at a mistake, and with the run", async () => {
    withClock();
    const mistake = () => (undefined as unknown as { x: number }).x;
    await expect(poll(mistake)).rejects.toThrow(TypeError);
    await expect(poll(() => Promise.reject(new UsageError("wrong")))).rejects.toThrow("wrong");
    const polling = poll(() => {
      fake?.abort(new InterruptedError());
      return false;
    });
    await expect(polling).rejects.toThrow("interrupted");
    expect(fake?.calls.findLeftOpen()).toBeUndefined();
  });

  test("ends what it awaits when its time is over", async () => {
    withClock();
    const hanging = poll(() => currentRun().context.world.clock.sleep(1e9, currentRun().context.signal), {
      timeout: "1m",
    });
    await expect(hanging).rejects.toThrow("`poll` waited 1m in vain");
  });
});

describe("retry", () => {
  test("tries again with growing pauses", async () => {
    const clock = withClock();
    let tries = 0;
    expect(
      await retry((attempt) => {
        tries++;
        if (attempt < 4) throw new Error("not yet");
        return "done";
      }, { attempts: 5, pause: "2s" }),
    ).toBe("done");
    expect(tries).toBe(4);
    expect(clock.pauses).toEqual([2000, 4000, 8000]);
  });

  test("not what is not worth it, nor what was interrupted", async () => {
    withClock();
    let tries = 0;
    const fail = (error: Error) => () => {
      tries++;
      throw error;
    };
    await expect(retry(fail(new Error("gone")), { when: (error) => String(error).includes("busy") })).rejects.toThrow(
      "gone",
    );
    await expect(retry(fail(new InterruptedError()))).rejects.toThrow("interrupted");
    await expect(retry(fail(new Error("last")), { attempts: 2 })).rejects.toThrow("last");
    expect(tries).toBe(4);
    await expect(retry(() => 1, { attempts: NaN })).rejects.toThrow("at least 1");
  });
});

test("what may lose a race does not keep a run from its end; what nobody awaits does", async () => {
  withClock({ world: { clock: new FakeClock({ mode: "manual" }) } });
  await Promise.race([sleep("1h"), poll(() => true), Promise.resolve()]);
  expect(fake?.calls.findLeftOpen()).toBeUndefined();
  void sleep("1h");
  expect(fake?.calls.findLeftOpen()).toMatchObject({ name: "sleep" });
});

describe("parallel", () => {
  test("with failFast false lets all run, and names each that failed", async () => {
    withClock();
    const done: string[] = [];
    const work = (item: { name: string }) => {
      done.push(item.name);
      if (item.name !== "b") throw new Error(`no ${item.name}`);
    };
    const error = await parallel([{ name: "a" }, { name: "b" }, { name: "c" }], work, { failFast: false, limit: 1 })
      .catch((error) => error);
    expect(done).toEqual(["a", "b", "c"]);
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.message).toBe("2 of 3 failed\n  a: no a\n  c: no c");
    expect(error.errors).toHaveLength(2);
  });

  test("ends the others at the first failure and waits for them", async () => {
    withClock({ world: { clock: new FakeClock({ mode: "manual" }) } });
    const events: string[] = [];
    await expect(parallel([1, 2, 3], async (item) => {
      if (item === 2) throw new Error("two");
      await sleep("1h").catch(async () => {
        await Promise.resolve();
        events.push(`${item} ended`);
      });
    }, { limit: 2 })).rejects.toThrow("two");
    expect(events).toEqual(["1 ended"]);
    expect(() => parallel([1], () => 1, { limit: 0 })).toThrow("at least 1");
    expect(await parallel([], () => 1)).toEqual([]);
  });
});

describe("onExit", () => {
  test("is done at the end, the last first, each for itself", async () => {
    withClock();
    const done: string[] = [];
    onExit(() => done.push("first"));
    onExit(() => {
      throw new Error("broken");
    });
    const cancel = onExit(() => done.push("cancelled"));
    onExit(async () => {
      await sleep("1s");
      done.push("last");
    });
    cancel();
    fake?.abort(new InterruptedError());
    expect(await fake?.owned.disposeAll()).toEqual([new Error("broken")]);
    expect(done).toEqual(["last", "first"]);
  });

  test("has a time, and a short one after Ctrl-C", async () => {
    withClock();
    onExit(() => sleep("1h"), { timeout: "1m" });
    const [late] = await fake?.owned.disposeAll() ?? [];
    expect(String(late)).toContain("took longer than 60 s");
    onExit(() => new Promise(() => {}), { timeout: "1m" });
    fake?.abort(new InterruptedError());
    const [interrupted] = await fake?.owned.disposeAll() ?? [];
    expect(String(interrupted)).toContain("took longer than 4 s");
  });
});

describe("ask", () => {
  test("asks the person at the terminal, one question at a time", async () => {
    const typed = ["mnist", "Enter", "Down", "Enter", "y", "hunter2hunter2", "Enter"];
    fake = fakeRun({ terminal: fakeTerminal({ isTTY: true, typed }) });
    const [name, type] = await Promise.all([ask("Which data?"), ask.choice("Which GPU?", ["a10", "h100"])]);
    expect([name, type]).toEqual(["mnist", "h100"]);
    expect(await ask.confirm("Go on?")).toBe(true);
    const secret = await ask.secret("Token?");
    expect(secret).toBe("hunter2hunter2");
    expect(maskOf(fake.terminal).text(secret)).toBe("********");
  });

  test("takes the default where nobody can be asked, or says what answers", async () => {
    fake = fakeRun();
    expect(await ask("Which data?", { default: "mnist" })).toBe("mnist");
    expect(await ask.choice("Which GPU?", ["a10", "h100"], { default: "a10" })).toBe("a10");
    expect(await ask.confirm("Go on?", { default: false })).toBe(false);
    const error = await ask("Which data?", { flag: "--data" }).catch((error) => error);
    expect([error.message, error.hint]).toEqual(["nobody can be asked here: Which data?", "`--data` answers it"]);
    expect((await ask.confirm("Go on?").catch((error) => error)).hint).toBe("`--yes` says yes");
    expect((await ask("Who?").catch((error) => error)).hint).toContain("a parameter of the recipe");
    fake[Symbol.dispose]();
    fake = fakeRun({ globals: { yes: true } });
    expect(await ask.confirm("Go on?", { default: false })).toBe(true);
  });
});

test("log says it on stderr, with the time where there is no terminal, and without secrets", () => {
  fake = fakeRun({ globals: { quiet: true } });
  log.info("nothing");
  log.error("but this");
  expect(fake.terminal.takeLines()).toEqual([expect.stringMatching(/^2\| \d\d:\d\d:\d\d error: but this$/)]);
  fake[Symbol.dispose]();
  fake = fakeRun({ terminal: fakeTerminal({ isTTY: true }), globals: { color: false } });
  maskOf(fake.terminal).add("hunter2hunter2");
  log.info("epoch", 3, { token: "hunter2hunter2" });
  log.warn("twice");
  log.warn("twice");
  const lines = fake.terminal.takeLines();
  expect(lines.join("\n")).toContain('2| epoch 3 {\n2|   token: "********"');
  expect(lines.slice(-2)).toEqual(["2| warning: twice", "2| warning: twice"]);
});

describe("spans and amounts", () => {
  test("are numbers", () => {
    expect([duration("90s"), duration("1h30m"), duration("1d2h"), duration(5)]).toEqual([
      90_000,
      5_400_000,
      93_600_000,
      5,
    ]);
    expect([size("16GiB"), size("500MB"), size("1.5kB"), size(7)]).toEqual([17_179_869_184, 500_000_000, 1500, 7]);
    for (const wrong of ["", "1", "-5s", "1e3s", "5 m", "1h-3m"]) {
      expect(() => duration(wrong as "1s")).toThrow("not a duration");
    }
    for (const wrong of ["", "1", "-5GB", "1GiBB", "16gib"]) expect(() => size(wrong as "1B")).toThrow("not an amount");
  });

  test("are flags of a recipe, checked before it runs", () => {
    const input = z.object({
      every: z.duration().default("5m").describe("pause"),
      cache: z.bytes().optional(),
    });
    const { every, cache }: { every: "5m" | `${number}s` | string; cache?: string } = input.parse({ cache: "16GiB" });
    expect({ every, cache }).toEqual({ every: "5m", cache: "16GiB" });
    expect(input.safeParse({ every: "5x" }).error?.issues[0]?.message).toContain("expected a span like `90s`");
    expect(readParams(input)).toMatchObject([
      { flag: "every", type: "string", default: "5m", placeholder: "span", description: "pause" },
      { flag: "cache", type: "string", isRequired: false },
    ]);
  });
});
