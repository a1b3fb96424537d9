import { afterEach, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchIdleness } from "../../src/background/idle.ts";
import type { SpawnOptions, World } from "../../src/world.ts";
import { FakeClock } from "../fake/clock.ts";

const minuteMs = 60_000;
const root = mkdtempSync(join(tmpdir(), "gpu-idle-"));
let watching: Disposable | undefined;
afterEach(() => {
  watching?.[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

type Answer = string | "dies" | "hangs";

/** A watch whose asking processes say what the test tells them. */
function scene(
  { config = "lease: { idle: { after: 60m, then: stop } }", instances = 1, answer = look(null) as Answer } = {},
) {
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "config.yaml"), config);
  const clock = new FakeClock({ mode: "manual" });
  const begun = clock.now();
  const it = { clock, instances, answer, asked: [] as number[] };
  const spawned: { command: readonly string[]; options: SpawnOptions; killed: string[] }[] = [];
  const logged: string[] = [];
  const world = {
    clock,
    env: { PATH: "/bin", LAMBDA_API_KEY: "secret" },
    folders: { config: root, state: root, cache: root },
    self: ["gpu"],
    spawn(command: readonly string[], options: SpawnOptions) {
      it.asked.push((clock.now() - begun) / minuteMs);
      const child = Object.assign(new EventEmitter(), {
        kill: (signal: string) => {
          spawned.at(-1)?.killed.push(signal);
          setImmediate(() => child.emit("close", null));
        },
      });
      spawned.push({ command, options, killed: [] });
      const { answer } = it;
      if (answer !== "hangs") {
        if (answer !== "dies") writeSync(options.stdout as number, `${answer}\n`);
        setImmediate(() => child.emit("close", answer === "dies" ? 70 : 0));
      }
      return child as unknown as ReturnType<World["spawn"]>;
    },
  };
  watching = watchIdleness({
    world,
    instanceCount: () => it.instances,
    onAsked() {},
    log: (text) => void logged.push(text),
  });
  return Object.assign(it, {
    spawned,
    logged,
    async pass(minutes: number) {
      for (let halves = 0; halves < minutes * 2; halves++) {
        await clock.advance(minuteMs / 2);
        // What was started comes to its end.
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
    },
  });
}

function look(nextMinutes: number | null, unanswered = 0): string {
  return JSON.stringify({ nextMs: nextMinutes === null ? null : nextMinutes * minuteMs, unanswered });
}

test("instances are asked again when that is due, and no key goes with the question", async () => {
  const it = scene({ answer: look(50) });
  await it.pass(49);
  expect(it.asked).toEqual([0]);
  it.answer = look(10);
  await it.pass(15);
  expect(it.asked).toEqual([0, 50, 60]);
  expect(it.spawned[0]?.command).toEqual(["gpu", ":idle"]);
  expect(JSON.stringify(it.spawned[0]?.options.env)).not.toContain("secret");
});

test("nothing is started where nothing is rented, or the configuration does not speak of idleness", async () => {
  const nothing = scene({ instances: 0 });
  await nothing.pass(120);
  expect(nothing.asked).toEqual([]);
  nothing.instances = 1;
  await nothing.pass(1);
  expect(nothing.asked).toHaveLength(1);
  watching?.[Symbol.dispose]();
  const silent = scene({ config: "defaults: { hours: 2 }" });
  await silent.pass(120);
  expect(silent.asked).toEqual([]);
});

test("where nobody answers, and where the asking itself fails, it is tried less and less often", async () => {
  const it = scene({ answer: look(null, 1) });
  await it.pass(32);
  expect(it.asked).toEqual([0, 1, 3, 7, 15, 30]);
  it.answer = "dies";
  await it.pass(15);
  expect(it.logged).toEqual(["idle instances could not be looked for: who asks ended with 70"]);
  it.answer = look(1);
  await it.pass(30);
  expect(it.asked.slice(6, 10)).toEqual([45, 60, 61, 62]);
});

test("who asks and does not come back is ended", async () => {
  const it = scene({ answer: "hangs" });
  await it.pass(1.5);
  expect(it.spawned[0]?.killed).toEqual(["SIGKILL"]);
  await it.pass(2);
  const last = it.spawned.at(-1);
  watching?.[Symbol.dispose]();
  expect([it.spawned.length > 1, last?.killed]).toEqual([true, ["SIGKILL"]]);
});
