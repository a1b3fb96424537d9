import { describe, expect, test } from "bun:test";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../../src/command.ts";
import { bytesText } from "../../src/bytes-text.ts";
import { type Check, runChecks } from "../../src/doctor/check.ts";
import { checks } from "../../src/doctor/checks.ts";
import { GpuError } from "../../src/errors.ts";
import { openJournal } from "../../src/rent/journal.ts";
import { FakeClock } from "../fake/clock.ts";
import { setUp } from "./configure-fixture.ts";

type Home = Awaited<ReturnType<typeof setUp>>;

async function doctor(home: Home, names: string) {
  const { exitCode, json } = await home.gpu(`doctor ${names} --json`);
  return { exitCode, found: json() as { check: string; status: string; detail: string; fix: string | null }[] };
}

describe("checks", () => {
  const context = (signal = new AbortController().signal) =>
    ({ world: { clock: new FakeClock() }, signal }) as unknown as Context;
  const check = (name: string, run: Check["run"]): Check => ({ name, run });

  test("run side by side, none for longer than five seconds, and are told in their order", async () => {
    const within = context();
    let signal: AbortSignal | undefined;
    const results = await runChecks(within, [
      check("hangs", (_, given) => (signal = given, new Promise(() => {}))),
      check("works", async () => ({ status: "ok", detail: "fine" })),
      check("hangs too", () => new Promise(() => {})),
    ]);
    expect(results.map(({ check, status, detail }) => `${check}: ${status}, ${detail}`)).toEqual([
      "hangs: warn, no answer in 5 s",
      "works: ok, fine",
      "hangs too: warn, no answer in 5 s",
    ]);
    expect(within.world.clock.now() - Date.UTC(2026, 0, 1)).toBe(5000);
    expect(signal?.aborted).toBe(true);
  });

  test("that throw have failed, with what to do", async () => {
    const results = await runChecks(context(), [
      check("one", () => Promise.reject(new GpuError("it broke", { hint: "mend it" }))),
      check(
        "other",
        async () => [{ of: "a", status: "ok", detail: "fine" }, { of: "b", status: "warn", detail: "hm", fix: "look" }],
      ),
    ]);
    expect(results).toEqual([
      { check: "one", status: "fail", detail: "it broke", fix: "mend it" },
      { check: "other a", status: "ok", detail: "fine", fix: null },
      { check: "other b", status: "warn", detail: "hm", fix: "look" },
    ]);
  });

  test("that are interrupted are over", async () => {
    const ending = new AbortController();
    const running = runChecks(context(ending.signal), [check("hangs", () => new Promise(() => {}))]);
    ending.abort(new Error("Ctrl-C"));
    await expect(running).rejects.toThrow("Ctrl-C");
  });

  test("have names of their own", () => {
    expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
  });
});

test("a configuration that is broken is told once, and the other checks go on", async () => {
  await using home = await setUp();
  await home.write(".config/gpu/config.yaml", "defaults: { huors: 3 }\n");
  const { exitCode, found } = await doctor(home, "configuration key clock disk");
  expect(exitCode).toBe(1);
  expect(found.map(({ check, status }) => `${check} ${status}`)).toEqual([
    "configuration fail",
    "key warn",
    "clock ok",
    "disk ok",
  ]);
  expect(found[0]?.detail).toContain("config.yaml:1:13");
});

test.each([
  ["good", "ok", "accepted"],
  ["wrong", "fail", "not accepted"],
  ["offline", "fail", "the network is down"],
])("a key that is %s", async (key, status, detail) => {
  await using home = await setUp();
  await home.gpu(`configure --provider lambda --api-key ${key} --no-check`);
  const { exitCode, found } = await doctor(home, "key");
  expect(found).toEqual([expect.objectContaining({ check: "key lambda", status })]);
  expect(found[0]?.detail).toContain(detail);
  expect(exitCode).toBe(status === "ok" ? 0 : 1);
});

describe("the clock", () => {
  const skews = [[0, "ok"], [-20_000, "ok"], [45_000, "warn"], [-45_000, "warn"], [3_600_000, "fail"]] as const;
  test.each(skews)("that is off by %d ms", async (skewMs, status) => {
    await using home = await setUp();
    await home.gpu("configure --provider lambda --api-key good");
    const theirs = new Date(home.world.clock.now() - skewMs).toUTCString();
    Object.assign(home.world, { fetch: async () => new Response(null, { status: 401, headers: { date: theirs } }) });
    const { found } = await doctor(home, "clock");
    expect(found[0]?.status).toBe(status);
    if (status !== "ok") expect(found[0]?.detail).toContain(skewMs > 0 ? "ahead of" : "behind");
  });
});

describe("the clock of a server that", () => {
  const date = (method: string) => new Response(null, method === "GET" ? { headers: { date: now } } : {});
  let now = "";

  test.each([
    ["gives its time with GET alone is asked twice", date, "ok", "agrees"],
    ["gives none is not known", () => new Response(null), "warn", "gives no time"],
    ["is away is not known", () => Promise.reject(new Error("offline")), "warn", "cannot be reached"],
  ])("%s", async (_, answer, status, detail) => {
    await using home = await setUp();
    await home.gpu("configure --provider lambda --api-key good");
    now = new Date(home.world.clock.now()).toUTCString();
    Object.assign(home.world, { fetch: async (_: string, init: RequestInit) => await answer(init.method ?? "GET") });
    const { found } = await doctor(home, "clock");
    expect(found[0]).toMatchObject({ status, detail: expect.stringContaining(detail) });
    // What is not as it should be says what to do.
    if (status !== "ok") expect(found[0]?.fix).toMatch(/date -u|doctor clock/);
  });
});

describe("what is rented", () => {
  async function launch(home: Home, { hours, stopping = false }: { hours: number; stopping?: boolean }) {
    using journal = await openJournal(home.world);
    const token = "ab".repeat(10);
    journal.startRun({ id: "1f", recipe: undefined });
    journal.intend({
      token,
      run: "1f",
      provider: "lambda",
      account: undefined,
      profile: undefined,
      request: {},
      name: "box",
      type: "gpu_1x_a10",
      region: "us-west-1",
      pricePerHour: 0.75,
      leaseEndsAt: home.world.clock.now() + hours * 3_600_000,
      hostPublicKey: "",
      agentToken: "s3cret",
    });
    journal.markSent(token);
    journal.markLaunched(token, "i-1");
    journal.markReady(token, "lease");
    if (stopping) journal.markStopping(token, "asked to");
  }

  test.each([
    ["with time left", { hours: 2 }, "ok", "1 rented"],
    ["whose lease is over", { hours: -1 }, "fail", "its lease is over since 1 h 00 min"],
    ["whose stop was not finished", { hours: 2, stopping: true }, "fail", "to be stopped since"],
  ])("%s", async (_, options, status, detail) => {
    await using home = await setUp();
    await launch(home, options);
    const { found } = await doctor(home, "rentals");
    expect(found[0]).toMatchObject({ status, detail: expect.stringContaining(detail) });
    expect(found[0]?.fix ?? "gpu stop box").toContain("gpu stop box");
  });

  test("and is not looked after by a background process is a warning", async () => {
    await using home = await setUp();
    await launch(home, { hours: 2 });
    expect((await doctor(home, "background")).found[0]).toMatchObject({ status: "warn" });
  });
});

test("looking makes nothing", async () => {
  await using home = await setUp();
  await doctor(home, "journal rentals tunnels background ssh-key folders disk keychain");
  expect(await Bun.file(join(home.world.folders.state, "journal.db")).exists()).toBe(false);
  expect(await home.read("state/id_ed25519")).toBeUndefined();
});

test("files of secrets that others may read are told with the command that closes them", async () => {
  await using home = await setUp();
  await home.gpu("configure --no-check --status-token token-1");
  const path = join(home.world.folders.config, "credentials.json");
  await chmod(path, 0o644);
  await chmod(home.world.folders.config, 0o755);
  const { exitCode, found } = await doctor(home, "folders");
  expect(exitCode).toBe(1);
  expect(found.map(({ status, fix }) => [status, fix])).toEqual([
    ["warn", `chmod 700 ${home.world.folders.config}`],
    ["fail", `chmod 600 ${path}`],
  ]);
});

test("a damaged journal fails, and a key of the wrong form too", async () => {
  await using home = await setUp();
  await mkdir(home.world.folders.state, { recursive: true });
  await writeFile(join(home.world.folders.state, "journal.db"), "this is no database".repeat(100));
  await writeFile(join(home.world.folders.state, "id_ed25519"), "nor is this a key");
  const { found } = await doctor(home, "journal ssh-key rentals");
  expect(found.map(({ check, status }) => [check, status])).toEqual([
    ["ssh-key", "fail"],
    ["journal", "fail"],
    ["rentals", "warn"],
  ]);
});

describe("the network's variables", () => {
  test.each([
    [{}, "ok", "no proxy"],
    [{ HTTPS_PROXY: "http://me:s3cret@proxy.example:3128" }, "ok", "through proxy.example:3128"],
    [{ https_proxy: "proxy.example:3128" }, "ok", "through proxy.example:3128"],
    [{ https_proxy: "proxy s3cret" }, "fail", "not the address"],
    [{ https_proxy: "socks5://me:s3cret@proxy" }, "fail", "not the address"],
    [{ NODE_EXTRA_CA_CERTS: "/nowhere/ca.pem" }, "fail", "cannot be read"],
  ])("%o", async (env, status, detail) => {
    await using home = await setUp({ env });
    const { found } = await doctor(home, "network");
    expect(found[0]).toMatchObject({ status, detail: expect.stringContaining(detail) });
    expect(JSON.stringify(found)).not.toContain("s3cret");
  });
});

describe("the keychain", () => {
  test("that does not open, with secrets in it, fails", async () => {
    await using home = await setUp();
    const kept = new Map<string, string>();
    const keychain = {
      get: async (name: string) => kept.get(name),
      set: async (name: string, value: string) => void kept.set(name, value),
      delete: async () => {},
    };
    Object.assign(home.world, { keychain });
    await home.gpu("configure --no-check --status-token token-1");
    expect((await doctor(home, "keychain")).found[0]).toMatchObject({ status: "ok" });
    Object.assign(home.world, { keychain: { ...keychain, get: () => Promise.reject(new Error("it is locked")) } });
    expect((await doctor(home, "keychain")).found[0]).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("it is locked"),
    });
  });
});

test.each([[0, "0 B"], [1023, "1023 B"], [1024, "1.0 KiB"], [40 * 1024, "40 KiB"], [2 * 1024 ** 4, "2.0 TiB"]])(
  "%d bytes are %s",
  (bytes, text) => expect(bytesText(bytes)).toBe(text),
);
