import { afterEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { endFamily, type Family, forgetIfEmpty } from "../../src/ci/runner/processes.ts";
import { readProc } from "../../src/processes.ts";
import { ciWorld } from "../fake/ci-world.ts";

const { clock } = ciWorld({ home: "/" });
const started: number[] = [];

afterEach(() => {
  for (const pid of started.splice(0)) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch { /* It has ended. */ }
  }
});

async function start(line: string, env: Record<string, string> = {}) {
  const child = spawn("sh", ["-c", line], { detached: true, stdio: "ignore", env: { ...process.env, ...env } });
  await new Promise((resolve) => child.once("spawn", resolve));
  const pid = child.pid ?? 0;
  started.push(pid);
  return { pid, ended: new Promise<string | null>((resolve) => child.once("exit", (_, signal) => resolve(signal))) };
}

const family = (groups: number[], mark = "GPU_TEST=none"): Family => ({ groups: new Set(groups), mark });

test("an empty group is forgotten, one with a process in it is not", async () => {
  const empty = await start("true");
  const full = await start("sleep 94 &");
  await Promise.all([empty.ended, full.ended]);
  const groups = family([empty.pid, full.pid]);
  for (const pid of [empty.pid, full.pid]) forgetIfEmpty(groups, pid);
  expect([...groups.groups]).toEqual([full.pid]);
});

test.skipIf(process.platform !== "linux")("a group whose number a stranger has now is left alone", async () => {
  // The shell of another program leads a group of its own; its parent is not this process.
  const launcher = spawn("sh", ["-c", "setsid sh -c 'echo $$; exec sleep 93' & wait"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const stranger = await new Promise<number>((resolve) =>
    launcher.stdout?.once("data", (text) => resolve(Number(text)))
  );
  started.push(stranger);
  await endFamily({ clock, platform: "linux" }, family([stranger]), { graceMs: 50 });
  expect(() => process.kill(stranger, 0)).not.toThrow();
});

test.skipIf(process.platform !== "linux")(
  "what a marked line started ends, without the mark in its environment too",
  async () => {
    const line = await start("env -i sh -c 'trap \"\" TERM; sleep 92 & wait' & exec sleep 92", { GPU_TEST: "here" });
    await Bun.sleep(50);
    await endFamily({ clock, platform: "linux" }, family([line.pid], "GPU_TEST=here"), { graceMs: 100 });
    expect(await line.ended).toBe("SIGTERM");
    expect(readProc().filter(({ group }) => group === line.pid)).toEqual([]);
  },
);

describe("where processes carry no marks", () => {
  const platform = "darwin";

  test("nothing is waited for where nothing is left", async () => {
    const line = await start("true");
    await line.ended;
    const began = clock.monotonic();
    await endFamily({ clock, platform }, family([line.pid]), { graceMs: 2000 });
    expect(clock.monotonic() - began).toBeLessThan(500);
  });

  test("what ends when it is asked is not waited for longer", async () => {
    const line = await start("exec sleep 91");
    const began = clock.monotonic();
    await endFamily({ clock, platform }, family([line.pid]), { graceMs: 2000 });
    expect(await line.ended).toBe("SIGTERM");
    expect(clock.monotonic() - began).toBeLessThan(1500);
  });

  test("what does not is killed", async () => {
    const line = await start("trap '' TERM; while :; do sleep 0.05; done");
    await Bun.sleep(50);
    await endFamily({ clock, platform }, family([line.pid]), { graceMs: 100 });
    expect(await line.ended).toBe("SIGKILL");
  });
});
