import { expect, test } from "bun:test";
import { tracedWorld } from "../../src/terminal/trace.ts";
import { FakeClock } from "../fake/clock.ts";
import { fakeWorld } from "../fake/world.ts";

async function traced(answer: () => Response | Promise<Response>, ask: (fetch: typeof globalThis.fetch) => unknown) {
  await using fake = await fakeWorld();
  const clock = new FakeClock({ mode: "manual" });
  const lines: string[] = [];
  const world = tracedWorld({
    ...fake.world,
    clock,
    terminal: fake.openTerminal({ isTTY: false }),
    env: { LAMBDA_API_KEY: "secret_abc", SHORT_TOKEN: "on", HOME: "/home/me" },
    fetch: async () => {
      await clock.advance(143);
      return await answer();
    },
  }, (line) => lines.push(line));
  await ask(world.fetch as typeof globalThis.fetch);
  world.trace?.("SSH ubuntu@192.0.2.1:22: logged in\nwith secret_abc\x1b[2J on");
  return lines;
}

test("a request is told with method, path, status, time and request id; its query and its user are not", async () => {
  const lines = await traced(
    () => new Response("{}", { status: 503, headers: { "x-request-id": "req-1" } }),
    (fetch) => fetch("https://me:pass@cloud.example/api/v1/instances/secret_abc?token=xyz", { method: "DELETE" }),
  );
  expect(lines).toEqual([
    "   0.143 s  DELETE https://cloud.example/api/v1/instances/********?token=…: 503, 143 ms, request id req-1",
    "   0.143 s  SSH ubuntu@192.0.2.1:22: logged in with ******** on",
  ]);
});

test("a request without an answer is told too, and fails as it did", async () => {
  const lines = await traced(
    () => Promise.reject(new Error("connection refused")),
    (fetch) => expect(fetch("https://cloud.example/")).rejects.toThrow("refused"),
  );
  expect(lines[0]).toBe("   0.143 s  GET https://cloud.example/: no answer, 143 ms: connection refused");
});
