import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Watch } from "../../src/agent/watch.ts";
import { exitCodeOf, type JobState } from "../../src/jobs/job.ts";
import { KeptJobs, type KnownJob } from "../../src/jobs/kept.ts";
import { handedOver, LineCutter } from "../../src/jobs/lines.ts";
import { hasGap, lengthOf, parseReports } from "../../src/jobs/report.ts";
import { FakeClock } from "../fake/clock.ts";

describe("what a machine says of its jobs", () => {
  test("is read whatever a login shell says around it", () => {
    const [first, second, ...others] = parseReports([
      "Welcome to lab",
      "job j-00000a ended 3 1700000060 1700000000 TERM dropped",
      "part o.16777216 5",
      "part o.0 16777216",
      "part e.0 0",
      'record {"name":"train","command":"python3 train.py","batch":"b"}',
      "job j-00000b running - - 1700000000 - whole",
      "record {",
    ].join("\n"));
    expect(first).toMatchObject({
      id: "j-00000a",
      state: "ended",
      exitCode: 3,
      endedAt: 1_700_000_060,
      stopSignal: "TERM",
      isDropped: true,
      parts: { stdout: [{ start: 0, bytes: 16_777_216 }, { start: 16_777_216, bytes: 5 }] },
      record: { name: "train" },
    });
    expect(second).toMatchObject({ state: "running", exitCode: null, stopSignal: null, record: undefined });
    expect(others).toEqual([]);
  });

  test.each([
    "job ../../etc/passwd ended 0 1 1 - whole",
    "job j-00000a; ended 0 1 1 - whole",
    "job j-00000a \x1b]0;title\x07 0 1 1 - whole",
    "job j-00000a ended -1 1 1 - whole",
    "job j-00000a ended 0 99999999999999999 1 - whole",
  ])("is not believed where it makes no sense: %p", (line) => expect(parseReports(line)).toEqual([]));

  test("has gaps where the middle is not kept", () => {
    expect(hasGap([{ start: 0, bytes: 10 }, { start: 10, bytes: 5 }])).toBe(false);
    expect(hasGap([{ start: 0, bytes: 10 }, { start: 30, bytes: 5 }])).toBe(true);
    expect(lengthOf([{ start: 0, bytes: 10 }, { start: 30, bytes: 5 }])).toBe(35);
  });
});

describe("lines of a job", () => {
  const cutter = () => new LineCutter({ job: "j-00000a", stream: "stdout", offset: 100 });
  const texts = (lines: { offset: number; text: string }[]) => lines.map(({ offset, text }) => [offset, text]);

  test("know the byte with which they begin, however they are cut on the way", () => {
    const lines = cutter();
    const found = ["on", "e\ntw", "o\n\nthr", "ee"].flatMap((piece) => lines.add(Buffer.from(piece)));
    expect(texts([...found, ...lines.end()])).toEqual([[100, "one"], [104, "two"], [108, ""], [109, "three"]]);
  });

  test("come in pieces where one is too long, and as base64 where they are not text", () => {
    const lines = cutter();
    const found = [...lines.add(Buffer.alloc(100_000, "x")), ...lines.add(Buffer.from([10, 0xff, 10]))];
    expect(found.map(({ text, encoding, offset }) => [text.length, encoding, offset])).toEqual([
      [65_536, "utf8", 100],
      [34_464, "utf8", 65_636],
      [4, "base64", 100_101],
    ]);
  });

  test("are handed over one at a time, and who stops reading ends the work", async () => {
    const events: string[] = [];
    const items = handedOver<number>(new AbortController().signal, async (give, signal) => {
      for (let count = 1; !signal.aborted; count++) {
        await give(count);
        events.push(`taken ${count}`);
      }
      events.push("ended");
    });
    for await (const item of items) {
      events.push(`read ${item}`);
      if (item === 2) break;
    }
    expect(events).toEqual(["read 1", "taken 1", "read 2", "taken 2", "ended"]);
  });

  test("that cannot be read any more throw", async () => {
    const items = handedOver(new AbortController().signal, () => Promise.reject(new Error("it broke")));
    await expect(items.next()).rejects.toThrow("it broke");
  });
});

test.each<[JobState, number | null, number]>([
  ["ok", 0, 0],
  ["failed", 3, 3],
  ["stopped", 143, 143],
  ["stopped", null, 255],
  ["lost", null, 255],
  ["unreachable", null, 255],
  ["machine gone", null, 255],
  ["running", null, 124],
])("waiting for a job that is %s (%p) ends with %i", (state, exitCode, expected) => {
  expect(exitCodeOf({ state, exitCode })).toBe(expected);
});

describe("the jobs that are known here", () => {
  const clock = new FakeClock({ mode: "manual" });
  let folder: string;
  let kept: KeptJobs;
  const job = (id: string, parts: Partial<KnownJob> = {}): KnownJob => ({
    id,
    name: null,
    batch: id,
    command: "true",
    machine: { kind: "instance", token: "t", name: "box" },
    startedAt: clock.now(),
    isConfirmed: true,
    end: null,
    read: { stdout: 0, stderr: 0 },
    ...parts,
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gpu-kept-"));
    kept = new KeptJobs({ clock, folders: { state: folder, config: folder, cache: folder } });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("are forgotten a week after their end, and never before", async () => {
    const end = { state: "ok", exitCode: 0, endedAt: clock.now(), reason: null } as const;
    await kept.save(job("j-00000a", { end }));
    await kept.save(job("j-00000b"));
    await clock.advance(6 * 86_400_000);
    expect((await kept.all()).map(({ id }) => id)).toEqual(["j-00000a", "j-00000b"]);
    await clock.advance(2 * 86_400_000);
    expect((await kept.all()).map(({ id }) => id)).toEqual(["j-00000b"]);
    expect(readdirSync(join(folder, "jobs"))).toEqual(["j-00000b.json"]);
  });

  test("are listed though one of them cannot be read", async () => {
    await kept.save(job("j-00000a"));
    writeFileSync(join(folder, "jobs", "j-00000b.json"), "{ half");
    writeFileSync(join(folder, "jobs", "note.txt"), "mine");
    expect((await kept.all()).map(({ id }) => id)).toEqual(["j-00000a"]);
  });
});

test("a machine on which a job runs is not idle", async () => {
  const clock = new FakeClock({ mode: "manual" });
  const detached = { look: () => Promise.resolve(), lastActivityMs: undefined as number | undefined };
  const ended: string[] = [];
  const watch = new Watch({
    world: { clock },
    lease: undefined,
    gpus: { isBusy: () => Promise.resolve(false) },
    models: { look: () => Promise.resolve(), lastActivityMs: undefined },
    detached,
    jobActivityMs: () => 0,
    sessions: () => Promise.resolve(0),
    tell: () => Promise.resolve(),
    end: (why) => Promise.resolve((ended.push(why), "accepted")),
    idle: { afterMs: 3_600_000, then: "stop" },
  });
  const hour = async (isRunning: boolean) => {
    for (let minute = 0; minute < 60; minute++) {
      if (isRunning) detached.lastActivityMs = clock.now();
      await watch.look();
      await clock.advance(60_000);
    }
    await watch.look();
  };
  await hour(true);
  await hour(true);
  expect(ended).toEqual([]);
  await hour(false);
  expect(ended).toEqual(["it was idle for 1 h 00 min"]);
});
