import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startReaping } from "../../src/background/reaping.ts";
import { checkHost } from "../../src/rent/account.ts";
import { addressOfApi, type Launch } from "../../src/rent/rows.ts";
import { lambdaProvider } from "../../src/provider/lambda/lambda.ts";
import { fingerprintOf } from "../../src/provider/lambda/settings.ts";
import { providerRegistry } from "../../src/provider/registry.ts";
import { openJournal } from "../../src/rent/journal.ts";
import type { World } from "../../src/world.ts";
import { FakeClock } from "../fake/clock.ts";
import { realWorld } from "../interop/openssh.ts";

// Whole commands run, and a busy computer takes its time.
setDefaultTimeout(20_000);

const key = "secret_of_the_emulator_0123456789";
const url = "http://127.0.0.1:4321/";

let closing: AsyncDisposableStack;
afterEach(() => closing.disposeAsync());

/** A background process that was started anew, with an instance at another address whose lease is over. */
async function startedAgain({ remembers }: { remembers: boolean }) {
  closing = new AsyncDisposableStack();
  const root = mkdtempSync(join(tmpdir(), "gpu-reaping-"));
  closing.defer(() => rmSync(root, { recursive: true, force: true }));
  const clock = new FakeClock({ mode: "manual" });
  const asked: { host: string; key: string }[] = [];
  const world: World = {
    ...realWorld,
    ...{ clock, home: root, cwd: root, keychain: undefined, env: {} },
    folders: { config: join(root, "config"), state: join(root, "state"), cache: join(root, "cache") },
    fetch: (to, init) => {
      const bearer = new Headers(init?.headers).get("authorization") ?? "";
      asked.push({ host: new URL(to).host, key: bearer.replace("Bearer ", "") });
      return Promise.resolve(Response.json({ data: { terminated_instances: [] } }));
    },
  };
  const journal = await openJournal(world);
  closing.defer(() => journal[Symbol.dispose]());
  const token = "0123456789abcdef0123";
  journal.intend({
    ...{
      token,
      run: "a1",
      provider: "lambda",
      profile: undefined,
      name: "box",
      type: "gpu_1x_a10",
      region: "us-west-1",
    },
    account: `127.0.0.1:4321/${fingerprintOf(key)}`,
    request: remembers ? { address: { LAMBDA_API_URL: url } } : {},
    ...{ pricePerHour: 0.75, leaseEndsAt: clock.now() + 1_000, hostPublicKey: "", agentToken: "" },
  });
  journal.markSent(token);
  journal.markLaunched(token, "0123456789abcdef0123456789abcdef");
  const reaping = await startReaping({ world, registry: providerRegistry, onChange() {}, log() {} });
  closing.use(reaping);
  /** Time passes, with real turns between its seconds: what is loaded and read takes those. */
  const pass = async (ms: number) => {
    for (let second = 0; second < ms / 1000; second++) {
      await clock.advance(1_000);
      await Bun.sleep(1);
    }
  };
  return { asked, reaping, journal, token, pass };
}

test("without address and key nobody is asked, and it is said what is missing", async () => {
  const { pass, asked, reaping } = await startedAgain({ remembers: false });
  await pass(60_000);
  expect(asked).toEqual([]);
  expect(reaping.report().hunts[0]?.failure).toContain(
    "is at `127.0.0.1:4321` and was not asked about: that needs `LAMBDA_API_URL` and `LAMBDA_API_KEY`",
  );
  reaping.remember({ LAMBDA_API_KEY: key });
  await pass(120_000);
  // The right key without its address goes to nobody either.
  expect(asked).toEqual([]);
  reaping.remember({ LAMBDA_API_KEY: key, LAMBDA_API_URL: url });
  await pass(120_000);
  expect(new Set(asked.map(({ host }) => host))).toEqual(new Set(["127.0.0.1:4321"]));
});

test("the launch remembers the address: its own key goes there, another key goes nowhere", async () => {
  const { pass, asked, reaping } = await startedAgain({ remembers: true });
  reaping.remember({ LAMBDA_API_KEY: "secret_of_another_account_0123456789" });
  await pass(60_000);
  expect(asked).toEqual([]);
  reaping.remember({ LAMBDA_API_KEY: key });
  await pass(120_000);
  expect(asked.length).toBeGreaterThan(0);
  for (const request of asked) expect(request).toEqual({ host: "127.0.0.1:4321", key });
});

test("what stopped meanwhile leaves no failure behind it", async () => {
  const { pass, journal, token } = await startedAgain({ remembers: false });
  await pass(10_000);
  journal.markStopping(token, "gpu stop");
  journal.markStopped(token, "gpu stop");
  await pass(200_000);
  expect(journal.events({ token }).at(-1)?.kind).toBe("stopped");
});

test("an address with what is no address of an API is not taken from a row", () => {
  const row = (request: unknown) => ({ request: JSON.stringify(request) });
  expect(addressOfApi(row({ address: { LAMBDA_API_URL: url } }))).toEqual({ LAMBDA_API_URL: url });
  expect(addressOfApi(row({ address: { PATH: "/tmp" } }))).toEqual({});
  expect(addressOfApi({ request: "broken" })).toEqual({});
});

test("a launch at the same address is asked about there", () => {
  const provider = lambdaProvider({ ...realWorld, env: { LAMBDA_API_URL: url } }, {});
  const launch = { account: "127.0.0.1:4321/x", provider: "lambda", token: "t", instanceId: "i" } as Launch;
  expect(() => checkHost(provider, launch)).not.toThrow();
  expect(() => checkHost(provider, { ...launch, account: "cloud.lambda.ai/x" })).toThrow("is at `cloud.lambda.ai`");
  expect(() => checkHost(provider, { ...launch, account: null })).not.toThrow();
});
