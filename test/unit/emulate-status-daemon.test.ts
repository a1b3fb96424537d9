// The fake of the existing status daemon behaves as that one does; others rely on it.
import { expect, test } from "bun:test";
import { FakeClock } from "../fake/clock.ts";
import { FakeStatusDaemon } from "../fake/status-daemon.ts";

const hourMs = 3_600_000;
const form = (text: string) => ({ body: text, headers: { "content-type": "application/x-www-form-urlencoded" } });

function open(options: Partial<ConstructorParameters<typeof FakeStatusDaemon>[0]> = {}) {
  const clock = new FakeClock({ mode: "manual" });
  const daemon = new FakeStatusDaemon({ clock, ...options });
  const ask = (method: string, path: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
    fetch(daemon.url + path, {
      method,
      ...init,
      headers: { authorization: `Bearer ${daemon.token}`, ...init.headers },
    });
  return { clock, daemon, ask, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

test("extend reads a form, and takes 2 hours for whatever else it is given", async () => {
  await using daemon = open();
  const extended = async (init: RequestInit & { headers?: Record<string, string> }) =>
    (await (await daemon.ask("POST", "/extend", init)).json()).extended_by_hours;
  expect(await extended(form("hours=3"))).toBe(3);
  expect(await extended({ body: '{"hours":5}', headers: { "content-type": "application/json" } })).toBe(2);
  expect(await extended({})).toBe(2);
  expect(await extended(form("hours=20"))).toBe(7); // int(8 − what has passed)
  expect(await extended(form("hours=7"))).toBe(7); // and again, since the cap is each call's own
  const before = daemon.daemon.shutdownMs;
  expect(before - daemon.daemon.bootedMs).toBe((4 + 3 + 2 + 2 + 7 + 7) * hourMs);
  expect(await extended(form("hours=-3"))).toBe(-3);
  await daemon.clock.advance(9 * hourMs);
  expect(await extended(form("hours=1"))).toBe(-1);
  expect(daemon.daemon.shutdownMs).toBe(before);
  const broken = await daemon.ask("POST", "/extend", form("hours=1.5"));
  expect([broken.status, broken.headers.get("content-type")]).toEqual([500, "text/html; charset=utf-8"]);
  expect((await daemon.ask("GET", "/extend")).status).toBe(405);
});

test("who may ask: a bearer, a form's token for extend, a query's token for the page", async () => {
  await using daemon = open();
  const anonymous = { headers: { authorization: "" } };
  const unknown = await daemon.ask("GET", "/status", anonymous);
  expect([unknown.status, await unknown.json()]).toEqual([401, { error: "unauthorized" }]);
  const withToken = form("hours=1&token=status-token");
  expect(
    (await daemon.ask("POST", "/extend", { ...withToken, headers: { ...withToken.headers, authorization: "" } }))
      .status,
  )
    .toBe(200);
  const page = await daemon.ask("GET", "/", anonymous);
  expect([page.status, await page.text()]).toEqual([401, "Unauthorized"]);
  expect((await daemon.ask("GET", "/?token=status-token", anonymous)).status).toBe(200);
});

test("the first version knows less, and one that is lost takes 20 seconds a question", async () => {
  await using first = open({ version: "first" });
  expect((await first.ask("GET", "/health")).status).toBe(404);
  expect(await (await first.ask("GET", "/status")).json()).not.toHaveProperty("idle_seconds");

  await using later = open({ isLost: true, gpuUtilization: -1 });
  expect(await (await later.ask("GET", "/health")).json()).toEqual({ status: "healthy" });
  const asked = later.ask("GET", "/status");
  while (later.clock.sleeping === 0) await Bun.sleep(1);
  await later.clock.advance(20_000);
  expect(await (await asked).json()).toMatchObject({
    ...{ gpu_utilization: -1, idle_seconds: null, shutdown_in_minutes: 239, shutdown_at: "2026-01-01T04:00:00Z" },
  });
  await later.ask("POST", "/activity");
  await later.ask("POST", "/shutdown", { body: '{"reason":"done"}' });
  expect(later.daemon.shutdownReason).toBe("done");
});
