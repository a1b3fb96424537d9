import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLock } from "../../src/lock.ts";
import type { NewRunEvent } from "../../src/runs/events.ts";
import { RunFile } from "../../src/runs/file.ts";
import { followLog, readLog } from "../../src/runs/read.ts";
import { listRuns } from "../../src/runs/runs.ts";
import { StepLines } from "../../src/runs/step-lines.ts";
import { findRunId, logPath, sweepLogs, writerLockPath } from "../../src/runs/store.ts";
import { realClock } from "../../src/outside.ts";

const id = "0123456789ab";
let state = "";
const world = () => ({ folders: { config: state, state, cache: state }, clock: realClock });

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "gpu-runs-"));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

const started: NewRunEvent = {
  kind: "started",
  ...{ recipe: "r.ts", file: "/r.ts", content: null, input: {}, pid: 1, budgetDollars: null, resumes: null },
  isDetached: false,
};
const ended: NewRunEvent = { kind: "ended", exitCode: 0, error: null, result: null, costDollars: 0, kept: [] };
const line = (text: string): NewRunEvent => ({ kind: "output", step: null, stream: "stdout", text });

function openFile(maxBytes?: number, runId = id) {
  const problems: unknown[] = [];
  const file = new RunFile({
    path: logPath(world(), runId),
    clock: realClock,
    onProblem: (error) => problems.push(error),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  return { file, problems };
}

describe("the log of a run", () => {
  test("is its owner's alone, and holds what was said before it was opened", async () => {
    const { file } = openFile();
    file.add(started);
    file.add(line("before"));
    file.open();
    file.add(ended);
    expect(statSync(logPath(world(), id)).mode & 0o777).toBe(0o600);
    const events = await readLog(world(), id);
    expect(events.map(({ seq, kind }) => [seq, kind])).toEqual([[1, "started"], [2, "output"], [3, "ended"]]);
  });

  test("keeps its newer half when it grows too large; how it began and all steps stay", async () => {
    const { file } = openFile(20_000);
    file.open();
    file.add(started);
    file.add({ kind: "memo", key: "a", value: 1 });
    for (let n = 0; n < 500; n++) file.add(line(`${n} ${"x".repeat(80)}`));
    file.add(ended);
    file.flush();
    expect(statSync(logPath(world(), id)).size).toBeLessThan(21_000);
    const events = await readLog(world(), id);
    expect(events.slice(0, 2).map(({ kind }) => kind)).toEqual(["started", "memo"]);
    expect(events.at(-1)?.kind).toBe("ended");
    const cut = events.filter((event) => event.kind === "cut").reduce((sum, event) => sum + event.lines, 0);
    expect(cut + events.filter(({ kind }) => kind === "output").length).toBe(500);
    expect(events.findLast((event) => event.kind === "output")?.text).toStartWith("499 ");
  });

  test("who follows it sees each line once, also where it is cut meanwhile, and its end", async () => {
    const { file } = openFile(20_000);
    file.open();
    file.add(started);
    using lock = tryLock(writerLockPath(world(), id));
    expect(lock).toBeDefined();
    const seen: string[] = [];
    const following = (async () => {
      const signal = new AbortController().signal;
      for await (const event of followLog(world(), { id, signal })) {
        if (event.kind === "output") seen.push(event.text.split(" ")[0] ?? "");
      }
    })();
    for (let n = 0; n < 600; n++) {
      file.add(line(`${n} ${"x".repeat(80)}`));
      if (n % 50 === 0) {
        file.flush();
        await Bun.sleep(20);
      }
    }
    file.add(ended);
    await following;
    expect(seen).toEqual([...new Set(seen)]);
    expect(seen.toSorted((one, other) => Number(one) - Number(other))).toEqual(seen);
    expect(seen.at(-1)).toBe("599");
  });

  test("of a process that was killed ends with what it wrote, half a line aside", async () => {
    const { file } = openFile();
    file.open();
    file.add(started);
    writeFileSync(logPath(world(), id), '{"seq":2,"time":1,"kind":"no', { flag: "a" });
    const events = await Array.fromAsync(followLog(world(), { id, signal: new AbortController().signal }));
    expect(events.map(({ kind }) => kind)).toEqual(["started"]);
    expect(await listRuns(world())).toEqual([expect.objectContaining({ id, state: "died", exitCode: null })]);
  });

  test("that cannot be written is said once, and nothing fails", () => {
    writeFileSync(join(state, "runs"), "a file is in the way");
    const { file, problems } = openFile();
    file.open();
    file.add(started);
    file.add(ended);
    expect(problems.length).toBe(1);
  });
});

describe("the logs of all runs", () => {
  test("are found by the beginning of their id, and nothing leads out of the folder", () => {
    for (const runId of ["aa0000000000", "ab0000000000"]) {
      const { file } = openFile(undefined, runId);
      file.add(started);
      file.open();
    }
    expect(findRunId(world(), "aa")).toBe("aa0000000000");
    expect(() => findRunId(world(), "a")).toThrow("is the beginning of 2 runs");
    expect(() => findRunId(world(), "../aa")).toThrow("is not the id of a run");
    expect(() => findRunId(world(), "ff")).toThrow("there is no run");
  });

  test("go when they are too many, the oldest first; what is being written stays", async () => {
    const ids = Array.from({ length: 220 }, (_, index) => index.toString(16).padStart(12, "0"));
    for (const [index, runId] of ids.entries()) {
      const { file } = openFile(undefined, runId);
      file.add(started);
      file.open();
      const { utimesSync } = await import("node:fs");
      utimesSync(logPath(world(), runId), index, Date.now() / 1000 - 1000 + index);
    }
    using _lock = tryLock(writerLockPath(world(), ids[0] ?? ""));
    await sweepLogs(world(), Date.now());
    const left = (await listRuns(world())).map((run) => run.id);
    expect(left.length).toBe(201);
    expect(left).toContain(ids[0] ?? "");
    expect(left).not.toContain(ids[1] ?? "");
  });
});

describe("what a step prints", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  test("is held until its line is whole, each stream for itself", () => {
    const lines = new StepLines();
    expect(lines.add("stdout", bytes("half "))).toBeUndefined();
    expect(lines.add("stderr", bytes("err\n"))).toBe("err");
    expect(lines.add("stdout", bytes("a line\nand\nmore"))).toBe("half a line\nand");
    expect(lines.end()).toEqual([{ stream: "stdout", text: "more" }]);
  });

  test("a character that comes in two pieces is one", () => {
    const lines = new StepLines();
    const [first, ...rest] = bytes("é\n");
    lines.add("stdout", new Uint8Array([first ?? 0]));
    expect(lines.add("stdout", new Uint8Array(rest))).toBe("é");
  });

  test("a line without end takes little memory", () => {
    const lines = new StepLines();
    const told = Array.from({ length: 100 }, () => lines.add("stdout", bytes("x".repeat(4000)))).filter(Boolean);
    expect(told.length).toBeGreaterThan(4);
  });
});
