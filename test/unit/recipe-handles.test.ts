import { expect, test } from "bun:test";
import { FakeClock } from "../fake/clock.ts";
import type { InstanceParts } from "../../src/recipe/handles.ts";
import { instanceHandle } from "../../src/recipe/instance-handle.ts";
import { tunnelHandle } from "../../src/recipe/tunnel-handle.ts";
import { noParts } from "./instance-parts.ts";

/** Nothing is due. */
const endlessLease = {
  clock: new FakeClock({ mode: "manual" }),
  label: "i-1 (box)",
  read: () => undefined,
  warnMs: () => Promise.resolve(600_000),
  note() {},
};

function machine(parts: Partial<InstanceParts> = {}) {
  const events: string[] = [];
  const say = (event: string) => Promise.resolve(void events.push(event));
  const handle = instanceHandle({
    ...noParts,
    lease: endlessLease,
    id: "i-1",
    name: "box",
    keep: () => say("keep"),
    stop: () => say("stop"),
    ...parts,
  });
  return { handle, events };
}

test("an instance is stopped once, whoever asks", async () => {
  const { handle, events } = machine();
  await Promise.all([handle.stop(), handle[Symbol.asyncDispose](), handle[Symbol.asyncDispose]()]);
  expect(events).toEqual(["stop"]);
});

test("a stop that failed is tried again", async () => {
  let attempts = 0;
  const { handle } = machine({
    stop: () => (++attempts === 1 ? Promise.reject(new Error("no answer")) : Promise.resolve()),
  });
  await expect(handle.stop()).rejects.toThrow("no answer");
  await handle[Symbol.asyncDispose]();
  expect(attempts).toBe(2);
});

test("keeping has a reason and an end, and fails before anything is kept", async () => {
  const { handle, events } = machine();
  for (const hours of [0, -1, Infinity, NaN]) {
    await expect(handle.keep({ hours, why: "to look" })).rejects.toThrow("keeping has to end");
  }
  await expect(handle.keep({ hours: 1, why: " " })).rejects.toThrow("`why` is empty");
  await handle[Symbol.asyncDispose]();
  expect(events).toEqual(["stop"]);
});

test("a keep that failed does not keep", async () => {
  const { handle, events } = machine({ keep: () => Promise.reject(new Error("refused")) });
  await expect(handle.keep({ hours: 1, why: "to look" })).rejects.toThrow("refused");
  await handle[Symbol.asyncDispose]();
  expect(events).toEqual(["stop"]);
});

test("a tunnel knows where its ports lead, and closes once", async () => {
  let closed = 0;
  const parts = { agentToken: "secret", keep: () => Promise.resolve(), close: () => Promise.resolve(void closed++) };
  const kind = "local" as const;
  const tunnel = tunnelHandle({
    ...parts,
    forwards: [{ kind, localPort: 4000, remote: "8888" }, { kind, localPort: 4001, remote: "ci" }],
  });
  expect(tunnel.url).toBe("http://127.0.0.1:4000");
  expect(tunnel.ci()).toEqual({ server: "http://127.0.0.1:4001", apiKey: "secret" });
  await Promise.all([tunnel.close(), tunnel[Symbol.asyncDispose]()]);
  expect(closed).toBe(1);
  expect(() => tunnelHandle({ ...parts, forwards: [{ kind, localPort: 4000, remote: "8888" }] }).ci()).toThrow(
    "does not lead to the instance's CI server",
  );
});
