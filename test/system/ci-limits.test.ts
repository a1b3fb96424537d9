import { afterEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { makeControlGroups } from "../../src/ci/runner/cgroup.ts";
import type { JobLimits } from "../../src/ci/runner/job-order.ts";
import { limit } from "../../src/ci/runner/limits.ts";
import type { Family } from "../../src/ci/runner/processes.ts";
import { realClock } from "../../src/outside.ts";
import { testUnless } from "../needs.ts";

const world = { clock: realClock, platform: process.platform };
const started: number[] = [];

afterEach(() => {
  for (const pid of started.splice(0)) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch { /* It has ended. */ }
  }
});

function start(line: string): Family {
  const { pid = 0 } = spawn("sh", ["-c", line], { detached: true, stdio: "ignore" });
  started.push(pid);
  return { groups: new Set([pid]), mark: "GPU_CI_JOB=none" };
}

const onLinux = testUnless(process.platform === "linux" ? undefined : "there is no /proc here");
const withoutGroups = (limits: JobLimits) => limit(world, { id: "none", limits, makeGroups: () => undefined });

onLinux("where there are no control groups, somebody looks: memory of all processes together", async () => {
  const hog = `python3 -c "x = bytearray(60_000_000)\nimport time; time.sleep(9)" & `;
  const limiting = withoutGroups({ memoryBytes: 100 * 2 ** 20 });
  const done = new AbortController();
  expect(await limiting.watch(start(`${hog} ${hog} wait`), done.signal)).toBe("it used more than 100 MiB of memory");
});

onLinux("memory that forked processes share counts once", async () => {
  // 60 MB in one process, and three that have it from that one.
  const fork =
    "import os, time\nx = bytearray(60_000_000)\nfor _ in range(3):\n  if os.fork() == 0: break\ntime.sleep(9)";
  const limiting = withoutGroups({ memoryBytes: 120 * 2 ** 20 });
  const done = new AbortController();
  setTimeout(() => done.abort(), 1500);
  expect(await limiting.watch(start(`exec python3 -c "${fork}"`), done.signal)).toBeUndefined();
});

onLinux("and the number of processes", async () => {
  const limiting = withoutGroups({ processes: 5 });
  const done = new AbortController();
  const family = start("for i in 1 2 3 4 5 6 7 8; do sleep 9 & done; wait");
  expect(await limiting.watch(family, done.signal)).toBe("it ran more than 5 processes");
});

test("what cannot be limited is said", () => {
  expect(withoutGroups({ cpus: 2 }).problems).toEqual([
    "its cores cannot be limited here: this server may not make control groups",
  ]);
  const elsewhere = limit({ ...world, platform: "darwin" }, { id: "none", limits: { memoryBytes: 1, processes: 1 } });
  expect(elsewhere.problems).toHaveLength(2);
  expect(withoutGroups({}).prefix).toBe("ulimit -c 0\n");
});

const probe = process.platform === "linux"
  ? makeControlGroups(`probe-${process.pid}`, { processes: 9 }, "linux")
  : undefined;
probe?.remove();

testUnless(probe ? undefined : "control groups cannot be made here")(
  "control groups hold what enters them, and go",
  async () => {
    const limiting = limit(world, { id: `test-${process.pid}`, limits: { processes: 4, cpus: 0.5 } });
    const [, folder = ""] = /> (\/sys\/fs\/cgroup\S*)\/cgroup.procs/.exec(limiting.prefix) ?? [];
    expect(existsSync(folder)).toBe(true);
    const child = Bun.spawnSync(["sh", "-c", `${limiting.prefix}for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait`]);
    expect(child.stderr.toString()).toContain("fork");
    await limiting.end();
    expect(existsSync(folder)).toBe(false);
  },
);
