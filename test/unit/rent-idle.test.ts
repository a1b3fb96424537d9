import { afterEach, expect, test } from "bun:test";
import type { Context } from "../../src/command.ts";
import { Config } from "../../src/config.ts";
import type { AgentStatus } from "../../src/rent/agent-status.ts";
import { type AskUse, idleWarning, lookForIdle } from "../../src/rent/idle.ts";
import { judgeIdle } from "../../src/rent/idle-rule.ts";
import { type Computer, launch, rentingComputer, waitFor } from "./rent-fixture.ts";

const minuteMs = 60_000;
const rule = { afterMs: 60 * minuteMs, then: "stop" } as const;
const idle = { server: "gpu", idleMinutes: 61, sessions: 0, jobsRunning: 0 } as const;

test.each(
  [
    ["in use", { ...idle, idleMinutes: 0 }, undefined, { verdict: "in use", nextMs: 50 * minuteMs }],
    ["idle for a while", { ...idle, idleMinutes: 30 }, undefined, { verdict: "in use", nextMs: 20 * minuteMs }],
    ["nearly idle for long enough", { ...idle, idleMinutes: 50 }, undefined, {
      verdict: "warn",
      nextMs: 10 * minuteMs,
    }],
    ["idle, and nobody was warned", idle, undefined, { verdict: "warn", nextMs: 5 * minuteMs }],
    ["warned of before it was used last", { ...idle, idleMinutes: 60 }, 61, { verdict: "warn", nextMs: 5 * minuteMs }],
    ["warned of a moment ago", idle, 1, { verdict: "warn", nextMs: 4 * minuteMs }],
    ["warned of in time", idle, 10, { verdict: "stop", nextMs: minuteMs }],
    ["idle, with somebody logged in", { ...idle, sessions: 1 }, 10, { verdict: "in use", nextMs: 50 * minuteMs }],
    ["idle, with a job", { ...idle, jobsRunning: 1 }, 10, { verdict: "in use", nextMs: 50 * minuteMs }],
    ["one whose sessions nobody can count", { ...idle, sessions: undefined }, 10, "unknown"],
    ["one with a status daemon, which sees no sessions", { ...idle, server: "daemon" }, 10, "unknown"],
    ["one that does not say", { ...idle, idleMinutes: undefined }, 10, "unknown"],
  ] as const,
)("an instance that is %s", (_, use, warnedMinutesAgo, expected) => {
  const now = 1e12;
  const warnedAt = warnedMinutesAgo === undefined ? undefined : now - warnedMinutesAgo * minuteMs;
  const wanted = typeof expected === "string" ? { verdict: expected, nextMs: 10 * minuteMs } : expected;
  expect(judgeIdle(use, { rule, warnedAt, now })).toEqual(wanted);
});

let computer: Computer | undefined;
afterEach(() => computer?.[Symbol.dispose]());

/** A cloud instance kept by its lease, and a way to say how long it has been idle. */
async function scene({ lease = { idle: { after: "60m", then: "stop" } } as object, bringsAgent = false } = {}) {
  computer = await rentingComputer({ facts: { bringsAgent, pollMs: 1000 } });
  const { journal, provider, clock, world } = computer;
  const { token } = await launch(computer, { hours: 24, name: "box" });
  const context = {
    world,
    signal: new AbortController().signal,
    journal: () => Promise.resolve(journal),
    provider: () => Promise.resolve(provider),
    config: () => Promise.resolve(Config.parse({ lease })),
  } as unknown as Context;
  let answer: Partial<AgentStatus> | undefined = idle;
  let asked = 0;
  const ask: AskUse = () => {
    asked += 1;
    return answer ? Promise.resolve({ ...idle, ...answer } as AgentStatus) : Promise.reject(new Error("no answer"));
  };
  return {
    ...{ journal, token, clock },
    ready: (owner: "run" | "lease" = "lease") => waitFor(computer as Computer, token, { owner }),
    look: (use: Partial<AgentStatus> | undefined) => {
      answer = use;
      return lookForIdle(context, ask);
    },
    asked: () => asked,
    state: () => journal.launch(token)?.state,
    warning: () => idleWarning(journal, token)?.text,
  };
}

test("what stays idle after a warning is marked as to be stopped, and the log says why", async () => {
  const it = await scene();
  await it.ready();
  expect(await it.look({ idleMinutes: 3 })).toEqual({ nextMs: 47 * minuteMs, unanswered: 0 });
  expect(await it.look({ idleMinutes: 52 })).toEqual({ nextMs: 8 * minuteMs, unanswered: 0 });
  expect(it.warning()).toBe("nobody has used it for 52 min: after 1 h 00 min it is stopped");
  await it.clock.sleep(8 * minuteMs);
  await it.look({ idleMinutes: 60 });
  expect(it.journal.launch(it.token)).toMatchObject({ state: "STOPPING", endWhy: "nobody used it for 1 h 00 min" });
  expect(it.warning()).toBeUndefined();
});

test("an unanswered question stops nothing, however idle it was before", async () => {
  const it = await scene();
  await it.ready();
  await it.look({ idleMinutes: 55 });
  await it.clock.sleep(120 * minuteMs);
  expect(await it.look(undefined)).toEqual({ nextMs: null, unanswered: 1 });
  expect(it.state()).toBe("LAUNCHED");
});

test("use, and a lease that is made longer, take the warning back", async () => {
  const it = await scene();
  await it.ready();
  await it.look({ idleMinutes: 55 });
  await it.look({ idleMinutes: 0 });
  expect(it.warning()).toBeUndefined();
  await it.clock.sleep(60 * minuteMs);
  await it.look({ idleMinutes: 59 });
  expect(it.warning()).toContain("59 min");
  it.journal.setLeaseEnd(it.token, it.clock.now() + 3_600_000);
  expect(it.warning()).toBeUndefined();
  await it.clock.sleep(10 * minuteMs);
  await it.look({ idleMinutes: 69 });
  expect(it.state()).toBe("LAUNCHED");
  await it.clock.sleep(5 * minuteMs);
  await it.look({ idleMinutes: 74 });
  expect(it.state()).toBe("STOPPING");
});

test("what a run owns, what boots, and what ends itself is not asked", async () => {
  const it = await scene();
  expect(await it.look(idle)).toEqual({ nextMs: null, unanswered: 0 });
  await it.ready("run");
  expect(await it.look(idle)).toEqual({ nextMs: null, unanswered: 0 });
  computer?.[Symbol.dispose]();
  const local = await scene({ bringsAgent: true });
  await local.ready();
  expect([await local.look(idle), local.asked(), it.asked()]).toEqual([{ nextMs: null, unanswered: 0 }, 0, 0]);
});

test.each([
  ["no rule", {}],
  ["a rule that only warns", { idle: { after: "60m", then: "warn" } }],
  ["an agent with a key", { enforce: "both", idle: { after: "60m", then: "stop" } }],
])("with %s nobody is asked", async (_, lease) => {
  const it = await scene({ lease });
  await it.ready();
  expect([await it.look(idle), it.asked()]).toEqual([{ nextMs: null, unanswered: 0 }, 0]);
});
