import { afterEach, expect, test } from "bun:test";
import type { Context } from "../../src/command.ts";
import { Config } from "../../src/config.ts";
import { LoginError } from "../../src/errors.ts";
import { HttpError } from "../../src/http/errors.ts";
import { LaunchRefused, type LaunchRequest, type Provider } from "../../src/provider/provider.ts";
import { startInstance, type StartRequest } from "../../src/rent/start.ts";
import type { FakeOptions } from "../fake/provider.ts";
import { type Computer, errorOf, rentingComputer } from "./rent-fixture.ts";

let computers: Computer[] = [];
afterEach(() => {
  for (const computer of computers) computer[Symbol.dispose]();
  computers = [];
});

/** `gpu start --no-wait` on a computer with these providers, the first of them in force. */
async function starting(cloud: Omit<FakeOptions, "clock"> = {}, others: Provider[] = []) {
  const computer = await rentingComputer(cloud);
  computers.push(computer);
  const said: string[] = [];
  const providers: Provider[] = [computer.provider, ...others];
  const context = {
    world: { ...computer.world, env: {}, home: "/home/me", arch: "x64", self: ["gpu"] },
    signal: new AbortController().signal,
    globals: {},
    journal: () => Promise.resolve(computer.journal),
    provider: (name?: string) => Promise.resolve(providers.find((one) => one.name === name) ?? providers[0]),
    providers: () => Promise.resolve(providers),
    config: () => Promise.resolve(Config.parse({})),
    run: { id: () => Promise.resolve("a1"), reserved: () => "a1", isRecipe: true },
    note: (text: string) => void said.push(text),
    progress: (text: string | undefined) => void (text && said.push(text)),
  } as unknown as Context;
  const start = (request: Partial<StartRequest> = {}) =>
    startInstance(context, { types: [], hours: 1, wait: false, check: false, ...request });
  return { computer, cloud: computer.provider, said, start };
}

const sixHours = { retryForMs: 6 * 3_600_000 };
const down = (status: number) => new HttpError(`fake answered ${status}`, { reason: "status", status });
const refused = () => new HttpError("nothing answers", { reason: "refused" });

/** Lets the next launches fail before their request leaves, as a provider says it. */
function troubleBefore(provider: Provider, troubles: LaunchRefused[]): void {
  const launch = provider.launch.bind(provider);
  Object.assign(provider, {
    launch(request: LaunchRequest, signal?: AbortSignal) {
      const trouble = troubles.shift();
      if (trouble) return Promise.reject(trouble);
      return launch(request, signal);
    },
  });
}

test("--retry-until-up outlives a provider that is down, busy or refused before the launch", async () => {
  const { cloud, start, said } = await starting();
  cloud.failures.offers.push(down(429), down(503), refused());
  const accounts = [down(502)];
  const account = () => accounts.length > 0 ? Promise.reject(accounts.shift()) : Promise.resolve("me");
  Object.assign(cloud, { account });
  troubleBefore(cloud, [new LaunchRefused("it was not sent: 429", { reason: "trouble" })]);
  expect(await start(sixHours)).toMatchObject({ id: "i-1" });
  expect(cloud.launched).toBe(1);
  expect(said).toContain("fake answered 503; trying again in 30 s");
});

test("without it the first such trouble is the end", async () => {
  const { cloud, start } = await starting();
  cloud.failures.offers.push(down(503));
  expect((await errorOf(start())).message).toBe("fake answered 503");
  troubleBefore(cloud, [new LaunchRefused("it was not sent: 429", { reason: "trouble" })]);
  expect((await errorOf(start())).message).toBe("fake refused the launch: it was not sent: 429");
  expect(cloud.launched).toBe(0);
});

test("what no waiting mends ends it at once: the wrong key, the wrong request", async () => {
  const { cloud, start, computer } = await starting();
  const before = computer.clock.now();
  cloud.failures.offers.push(new LoginError("the key is not accepted"));
  expect((await errorOf(start(sixHours))).exitCode).toBe(4);
  troubleBefore(cloud, [new LaunchRefused("no such image", { reason: "request" })]);
  expect((await errorOf(start(sixHours))).message).toBe("fake refused the launch: no such image");
  expect(computer.clock.now()).toBe(before);
});

test("a launch whose answer is lost is not tried again as long as its machine may be there", async () => {
  const { cloud, start } = await starting();
  cloud.troubles.push("answer-lost");
  cloud.failures.list.push(...Array.from({ length: 200 }, () => down(503)));
  expect((await errorOf(start(sixHours))).message).toContain("503");
  expect(cloud.launched).toBe(1);
});

test("a provider that cannot be asked hides no other, and is said", async () => {
  const second = await rentingComputer({ name: "second", types: [{ type: "big", pricePerHour: 2, gpu: "H100" }] });
  computers.push(second);
  const { cloud, start, said } = await starting({}, [second.provider]);
  cloud.failures.offers.push(down(503));
  expect(await start()).toMatchObject({ type: "big" });
  expect(said).toContain("warning: fake could not be asked: fake answered 503");
  // What was named is not at the other one, and may be at this one.
  cloud.failures.offers.push(down(503));
  expect((await errorOf(start({ types: ["gpu_1x_a10"] }))).message).toBe("fake answered 503");
});

test("a machine that never becomes ready is given back, seen gone, and the next offer is tried", async () => {
  const { cloud, start, computer } = await starting({
    types: [{ type: "one", pricePerHour: 1, gpu: "A10", regions: ["here", "there"] }],
    bootMs: 3_600_000,
    stopMs: 60_000,
    facts: { readyTimeoutMs: 60_000 },
  });
  const error = await errorOf(start({ wait: true }));
  expect(error.message).toStartWith(
    "no instance could be had: one in here at fake: `i-1` was not ready after 1 min; it was given",
  );
  expect(error.message).toContain("one in there at fake: `i-2` was not ready after 1 min; it was given back");
  expect({ made: cloud.launched, most: cloud.peak, left: cloud.machines }).toEqual({ made: 2, most: 1, left: [] });
  expect(computer.journal.launches({ open: true })).toEqual([]);
});

test("what a provider cannot do is a usage error, before anything is asked of it", async () => {
  const { cloud, start } = await starting();
  for (const wish of [{ fakeGpu: "h100" }, { image: "ubuntu" }, { filesystems: ["data"] }]) {
    expect(await errorOf(start(wish))).toMatchObject({ exitCode: 2, message: expect.stringContaining("`fake`") });
  }
  expect(cloud.calls).toEqual([]);
});
