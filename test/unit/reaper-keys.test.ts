import { expect, test } from "bun:test";
import { KeyRing, keysOf, providerVariables } from "../../src/background/keys.ts";
import { noteEndingLeases, warnBeforeEnd } from "../../src/rent/lease-warning.ts";
import { launch, rentingComputer, waitFor } from "./rent-fixture.ts";

test("keys of providers go over the socket, and no others do", () => {
  expect(providerVariables).toContain("LAMBDA_API_KEY");
  const env = { LAMBDA_API_KEY: "secret", CI_API_KEY: "other", HOME: "/home/me", LAMBDA_API_URL: "" };
  expect(keysOf({ env })).toEqual({ LAMBDA_API_KEY: "secret" });
});

test("a run's own keys are tried first, then the newest of others, and are forgotten with the run", () => {
  const ring = new KeyRing();
  expect(ring.candidates("a")).toEqual([{}]);
  ring.remember({ LAMBDA_API_KEY: "one" }, "a");
  ring.remember({ LAMBDA_API_KEY: "two" }, "b");
  ring.remember({ LAMBDA_API_KEY: "three" });
  const keysFor = (run: string) => ring.candidates(run).map(({ LAMBDA_API_KEY }) => LAMBDA_API_KEY);
  expect(keysFor("a")).toEqual(["one", "three", "two"]);
  expect(keysFor("unknown")).toEqual(["three", "two", "one"]);
  ring.keepOnly(new Set());
  expect(keysFor("a")[0]).toBe("three");
});

test("a lease that is about to end is told once, and again where it was moved", async () => {
  using computer = await rentingComputer({ facts: { pollMs: 1_000 } });
  const { journal, clock } = computer;
  const notes: string[] = [];
  const context = {
    world: { ...computer.world } as never,
    journal: () => Promise.resolve(journal),
    config: () => Promise.resolve({ lease: {} } as never),
    note: (text: string) => void notes.push(text),
  };
  const { token } = await launch(computer, { hours: 1, name: "box" });
  await waitFor(computer, token);
  using _warning = warnBeforeEnd(context, { run: "a1" });
  await clock.sleep(49 * 60_000);
  expect(notes).toEqual([]);
  await clock.sleep(2 * 60_000);
  expect(notes).toEqual([
    "warning: the lease of i-1 (box) ends in 10 min, and then it is stopped; `gpu extend 1 i-1` gives it an hour more",
  ]);
  journal.setLeaseEnd(token, clock.now() + 3_600_000);
  await clock.sleep(40 * 60_000);
  expect(notes).toHaveLength(1);
  await clock.sleep(12 * 60_000);
  expect(notes).toHaveLength(2);
  await noteEndingLeases(context, { instanceIds: ["i-2"] });
  expect(notes).toHaveLength(2);
  await noteEndingLeases(context, { instanceIds: ["i-1"] });
  expect(notes).toHaveLength(3);
});
