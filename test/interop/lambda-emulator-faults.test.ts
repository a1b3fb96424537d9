// What goes wrong on purpose, seen from outside. No machines: time is a fake clock's, requests are real.
import { expect, test } from "bun:test";
import { FakeClock } from "../fake/clock.ts";
import { a10, emulatorWorld, openEmulator, until } from "./lambda-emulator.ts";
import type { FaultChanges } from "../../src/emulate/faults.ts";
import type { EmulateLambdaOptions } from "../../src/emulate/lambda.ts";

const hourMs = 3_600_000;

async function open(faults: FaultChanges = {}, options: Partial<EmulateLambdaOptions> = {}) {
  const clock = new FakeClock({ mode: "manual" });
  const emulated = await openEmulator({ clock, hasMachines: false, bootMs: 60_000, stopMs: 30_000, ...options });
  emulated.emulator.changeFaults(faults);
  const launch = () => emulated.call("POST", "/instance-operations/launch", a10);
  return { ...emulated, clock, tryLaunch: launch, [Symbol.asyncDispose]: () => emulated[Symbol.asyncDispose]() };
}

/** How a request ended that may have got no answer in JSON. */
async function outcome(answer: Promise<unknown>): Promise<string> {
  return await answer.then((got) => JSON.stringify(got), (error) => String(error.code ?? error.name));
}

test("an instance boots, is active, ends and is forgotten, each in its time", async () => {
  await using cloud = await open();
  const id = await cloud.launch();
  const status = async () => (await cloud.call("GET", `/instances/${id}`)).data.status;
  expect((await cloud.call("GET", "/instances")).data).toMatchObject([{ id, status: "booting" }]);
  await cloud.clock.advance(59_999);
  expect(await status()).toBe("booting");
  await cloud.clock.advance(1);
  expect(await status()).toBe("active");
  const { data: { terminated_instances: [ended] } } = await cloud.terminate(id);
  expect(ended).toMatchObject({ id, status: "terminating", actions: { restart: { available: false } } });
  await cloud.clock.advance(30_000);
  expect((await cloud.call("GET", "/instances")).data).toEqual([]);
  expect(await status()).toBe("terminated");
  await cloud.clock.advance(30_000);
  expect((await cloud.call("GET", `/instances/${id}`)).error?.code).toBe("global/object-does-not-exist");
  expect((await cloud.terminate(id)).error?.code).toBe("global/object-does-not-exist");
});

test("the bill has every instance ever made, at price × time until its end was accepted, to the cent", async () => {
  await using cloud = await open();
  const one = await cloud.launch({ instance_type_name: "gpu_1x_a10", name: "one" }); // 75 cents an hour.
  await cloud.launch({ instance_type_name: "cpu_4x_general", name: "two" }); // 20
  await cloud.clock.advance(100 * 60_000);
  await cloud.terminate(one);
  await cloud.clock.advance(30_000);
  await cloud.clock.advance(hourMs);
  const { data: bill } = await cloud.call("GET", "/_emulator/bill");
  expect(bill).toMatchObject({ currency: "USD", made: 2, left: 1, total_cents: 125 + 54 });
  expect(bill.instances).toMatchObject([
    { id: one, name: "one", status: "terminated", seconds: 6000, cost_cents: 125, price_cents_per_hour: 75 },
    { name: "two", status: "active", seconds: 9630, cost_cents: 54, terminated_at: null },
  ]);
  expect(bill).toEqual(cloud.emulator.bill());
});

test("a launch whose answer is lost made an instance; one that is lost made none", async () => {
  await using cloud = await open({ once: ["answerLost"] });
  expect(await outcome(cloud.tryLaunch())).not.toContain("instance_ids");
  expect((await cloud.call("GET", "/instances")).data).toHaveLength(1);
  cloud.emulator.changeFaults({ once: ["launchLost"] });
  expect(await outcome(cloud.tryLaunch())).not.toContain("instance_ids");
  expect(cloud.emulator.bill().made).toBe(1);
  expect(cloud.seen.map(({ fault }) => fault)).toEqual(["answerLost", null, "launchLost"]);
});

test("a lost answer is a cut connection or the error of what stands between, as the seed has it", async () => {
  const endings = async () => {
    await using cloud = await open({ answerLost: 1 });
    const seen: (number | null)[] = [];
    for (let count = 0; count < 8; count++) await outcome(cloud.tryLaunch());
    for (const { status } of cloud.seen) seen.push(status);
    expect(cloud.emulator.bill().made).toBe(8);
    return seen;
  };
  const first = await endings();
  expect(new Set(first).size).toBeGreaterThan(1);
  expect(first.filter((status) => status === null).length).toBeGreaterThan(0);
  expect(await endings()).toEqual(first);
});

test("a launch that is never answered made an instance all the same", async () => {
  await using cloud = await open({ once: ["answerHangs"] });
  const giveUp = AbortSignal.timeout(100);
  const asked = fetch(`${cloud.emulator.url}/api/v1/instance-operations/launch`, {
    method: "POST",
    headers: { "authorization": `Bearer ${cloud.emulator.key}`, "content-type": "application/json" },
    body: JSON.stringify(a10),
    signal: giveUp,
  });
  expect(asked).rejects.toThrow();
  await until(() => cloud.emulator.bill().made === 1);
});

test("an instance that is listed late is nowhere until then", async () => {
  await using cloud = await open({ once: ["listedLate"], listedLateMs: 40_000 });
  const id = await cloud.launch();
  expect((await cloud.call("GET", "/instances")).data).toEqual([]);
  expect((await cloud.call("GET", `/instances/${id}`)).status).toBe(404);
  expect((await cloud.terminate(id)).status).toBe(404);
  await cloud.clock.advance(40_000);
  expect((await cloud.call("GET", "/instances")).data).toMatchObject([{ id, status: "booting" }]);
});

test("capacity comes and goes, and the list may be wrong about it", async () => {
  await using cloud = await open({ freeShare: 0.5, capacityChangesMs: 10_000 });
  const regions = async () =>
    (await cloud.call("GET", "/instance-types")).data.gpu_1x_a10
      .regions_with_capacity_available.map(({ name }: { name: string }) => name).join();
  const seen = new Set<string>();
  for (let count = 0; count < 12; count++) {
    const free = await regions();
    expect(await regions()).toBe(free);
    const { error } = await cloud.tryLaunch();
    expect(error?.code).toBe(
      free.includes("us-west-1") ? undefined : "instance-operations/launch/insufficient-capacity",
    );
    seen.add(free);
    await cloud.clock.advance(10_000);
  }
  expect(seen.size).toBeGreaterThan(3);

  cloud.emulator.changeFaults({ freeShare: 1, once: ["noCapacity"] });
  expect((await cloud.tryLaunch()).error?.code).toBe("instance-operations/launch/insufficient-capacity");
  expect((await cloud.tryLaunch()).error).toBeUndefined();
  cloud.emulator.changeFaults({ maxInstances: 1 });
  expect((await cloud.tryLaunch()).error?.code).toBe("global/quota-exceeded");
});

test("some instances boot forever, some are unhealthy", async () => {
  await using cloud = await open({ once: ["bootHangs"] });
  const hangs = await cloud.launch();
  cloud.emulator.changeFaults({ once: ["unhealthy"] });
  const sick = await cloud.launch();
  await cloud.clock.advance(hourMs);
  const statusOf = async (id: string) => (await cloud.call("GET", `/instances/${id}`)).data.status;
  expect(await statusOf(hangs)).toBe("booting");
  expect(await statusOf(sick)).toBe("unhealthy");
  await cloud.terminate(hangs);
  await cloud.clock.advance(30_000);
  expect(await statusOf(hangs)).toBe("terminated");
});

test("a termination can be refused as long as the instance boots", async () => {
  await using cloud = await open({ refuseTerminateWhileBooting: true });
  const id = await cloud.launch();
  const { data } = await cloud.call("GET", `/instances/${id}`);
  expect(data.actions.terminate).toMatchObject({ available: false, reason_code: "vm-has-not-launched" });
  expect(await cloud.terminate(id)).toMatchObject({ status: 400, error: { code: "global/invalid-parameters" } });
  await cloud.clock.advance(60_000);
  expect((await cloud.terminate(id)).status).toBe(200);
});

test("the rate limit answers like Cloudflare: HTML, without the envelope", async () => {
  await using cloud = await open({ rateLimit: true });
  const headers = { "authorization": `Bearer ${cloud.emulator.key}`, "content-type": "application/json" };
  const list = () => fetch(`${cloud.emulator.url}/api/v1/instances`, { headers });
  const start = () =>
    fetch(`${cloud.emulator.url}/api/v1/instance-operations/launch`, {
      method: "POST",
      headers,
      body: JSON.stringify(a10),
    });
  expect((await list()).status).toBe(200);
  const refused = await list();
  expect(refused.status).toBe(429);
  expect(refused.headers.get("content-type")).toContain("text/html");
  expect(refused.headers.has("retry-after")).toBe(false);
  expect(await refused.text()).toContain("error code: 1015");
  await cloud.clock.advance(1000);
  expect((await start()).status).toBe(200);
  await cloud.clock.advance(11_000);
  expect((await start()).status).toBe(429);
  await cloud.clock.advance(1000);
  expect((await start()).status).toBe(200);
  expect(cloud.emulator.bill().made).toBe(2);
});

test("requests are slow, cut before or after they are obeyed, or answered 429 and 5xx", async () => {
  await using cloud = await open({ once: [{ fault: "cut", on: "terminateInstance" }, "slow"], slowMs: 2000 });
  const pending = cloud.launch();
  await until(() => cloud.clock.sleeping > 0);
  expect(cloud.emulator.bill().made).toBe(0);
  await cloud.clock.advance(2000);
  const id = await pending;

  expect(await outcome(cloud.terminate(id))).toBe("ECONNRESET");
  expect(cloud.emulator.bill().instances[0]?.termination_asked_at).toBeNull();
  cloud.emulator.changeFaults({ once: ["cutAfter"] });
  expect(await outcome(cloud.terminate(id))).toBe("ECONNRESET");
  expect(cloud.emulator.bill().instances[0]?.termination_asked_at).not.toBeNull();

  cloud.emulator.changeFaults({ once: ["tooMany"] });
  await outcome(cloud.call("GET", "/instances"));
  cloud.emulator.changeFaults({ serverError: 1 });
  for (let count = 0; count < 40; count++) await outcome(cloud.tryLaunch());
  expect(cloud.emulator.bill().made).toBe(1);
  const statuses = cloud.seen.map(({ status }) => status);
  expect(statuses.slice(0, 4)).toEqual([200, null, null, 429]);
  expect(new Set(statuses.slice(4))).toEqual(new Set([500, 502, 503, 504]));
});

test("faults are read and changed while it runs", async () => {
  await using cloud = await open();
  expect((await cloud.call("POST", "/_emulator/faults", { preset: "hostile", cut: 0 })).data).toMatchObject({
    ...{ seed: 1, cut: 0, answerLost: 0.4, listedLate: 0.5, refuseTerminateWhileBooting: true },
  });
  expect((await cloud.call("POST", "/_emulator/faults", { preset: "none", once: ["noCapacity"] })).status).toBe(200);
  expect((await cloud.tryLaunch()).error?.code).toContain("insufficient-capacity");
  expect((await cloud.call("GET", "/_emulator/faults")).data).toMatchObject({ once: [], answerLost: 0 });
  const refused = [{ cut: 2 }, { meteor: 1 }, { preset: "meteor" }, { once: [{ fault: "cut", on: "nothing" }] }];
  for (const changes of refused) {
    expect((await cloud.call("POST", "/_emulator/faults", changes)).error?.code).toBe("global/invalid-parameters");
  }
});

test("requests that do not conform are refused with the API's own codes", async () => {
  await using cloud = await open();
  const { call } = cloud;
  const launch = async (changes: object) => {
    const { status, error } = await call("POST", "/instance-operations/launch", { ...a10, ...changes });
    return `${status} ${error?.code}`;
  };
  const invalid = "400 global/invalid-parameters";
  expect(await launch({ ssh_key_names: ["mine", "mine"] })).toBe(invalid);
  expect(await launch({ ssh_key_names: [] })).toBe(invalid);
  expect(await launch({ quantity: 2 })).toBe(invalid);
  expect(await launch({ name: "x".repeat(65) })).toBe(invalid);
  expect(await launch({ hostname: "Upper" })).toBe(invalid);
  expect(await launch({ tags: [{ key: "Upper", value: "" }] })).toBe(invalid);
  expect(await launch({ user_data: "x".repeat(1_000_001) })).toBe(invalid);
  expect(await launch({ file_system_mounts: [{ mount_point: "/etc", file_system_id: "x" }] })).toBe(invalid);
  expect(await launch({ region_name: "mars" })).toBe(invalid);
  const absent = "400 global/object-does-not-exist";
  expect(await launch({ instance_type_name: "gpu_1x_a100_sxm4_80gb" })).toBe(absent);
  expect(await launch({ ssh_key_names: ["nobody"] })).toBe(absent);
  expect(await launch({ image: { family: "none" } })).toBe(absent);
  expect(await launch({ region_name: "us-south-1" })).toBe("400 instance-operations/launch/insufficient-capacity");
  await call("POST", "/filesystems", { name: "far", region: "us-east-1" });
  expect(await launch({ file_system_names: ["far"] })).toBe(
    "400 instance-operations/launch/file-system-in-wrong-region",
  );
  expect((await call("POST", "/filesystems", { name: "far", region: "us-east-1" })).error?.code)
    .toBe("global/duplicate");
  expect((await call("POST", "/ssh-keys", { name: "bad", public_key: "no key" })).status).toBe(400);
  expect((await call("GET", "/firewall-rules")).status).toBe(501);
  expect((await call("GET", "/nothing")).error?.code).toBe("global/not-found");
  expect(cloud.emulator.bill().made).toBe(0);
});

test("a key is a secret of the emulator's; Bearer and Basic both carry it", async () => {
  await using cloud = await open();
  const { url, key } = cloud.emulator;
  const status = async (authorization: string | undefined, path = "/api/v1/instances") =>
    (await fetch(`${url}${path}`, { headers: authorization === undefined ? {} : { authorization } })).status;
  expect(await status(`Bearer ${key}`)).toBe(200);
  expect(await status(`Bearer ${key}-another`)).toBe(200);
  expect(await status(`Basic ${btoa(`${key}:`)}`)).toBe(200);
  expect(await status(`Basic ${key}`)).toBe(200);
  for (const wrong of [undefined, "Bearer", "Bearer x", `Bearer ${key.slice(0, -1)}`, `Digest ${key}`]) {
    expect(await status(wrong)).toBe(401);
    expect(await status(wrong, "/_emulator/bill")).toBe(401);
  }
});

test("seeds decide: the same one draws the same fates, another one others", async () => {
  const draw = async (seed: number) => {
    await using cloud = await open({ bootHangs: 0.3, unhealthy: 0.3, listedLate: 0.3 }, { seed, world: emulatorWorld });
    for (let count = 0; count < 12; count++) await cloud.tryLaunch();
    await cloud.clock.advance(10 * 60_000);
    return cloud.emulator.bill().instances.map(({ status }) => status).join();
  };
  const [one, again, other] = [await draw(1), await draw(1), await draw(2)];
  expect(again).toBe(one);
  expect(other).not.toBe(one);
});
