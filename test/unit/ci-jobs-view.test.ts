import { expect, test } from "bun:test";
import type { Job } from "../../src/ci/job.ts";
import { JobsView } from "../../src/ci/client/jobs-view.ts";
import { KnownStates } from "../../src/ci/client/state-change.ts";

const now = Date.parse("2026-01-01T12:10:00Z");
const begun = { start_time: "2026-01-01T12:00:00.000000Z", end_time: null };
const ended = { start_time: "2026-01-01T11:00:00.000000Z", end_time: "2026-01-01T11:00:42.000000Z" };
const jobs: Job[] = [
  { job_id: "b-passed", status: "completed", success: true, ...ended },
  { job_id: "c-failed", status: "completed", success: false, ...ended },
  { job_id: "d-waits", status: "queued", success: null, start_time: null, end_time: null },
  { job_id: "a-runs", status: "running", success: null, ...begun },
];

function view() {
  const shown = new JobsView({ server: "http://ci.example", isColored: false });
  shown.jobs = jobs;
  return shown;
}

const lines = (shown: JobsView, size = {}) =>
  shown.frame({ columns: 100, rows: 24, now, ...size }).trimEnd().split("\n");
const marked = (shown: JobsView) => lines(shown).find((line) => line.startsWith("›"))?.split(/ +/)[1];

test("what runs is above what waits, and that above what is over", () => {
  expect(lines(view())).toEqual([
    "http://ci.example · 1 running · 1 waiting · 1 passed · 1 failed",
    "",
    "   JOB ID    STATUS     BEGUN                TOOK         SUCCESS",
    "›  a-runs    running    2026-01-01 12:00:00  10 min 00 s  -",
    "   d-waits   queued     -                    -            -",
    "   b-passed  completed  2026-01-01 11:00:00  42 s         ✓",
    "   c-failed  completed  2026-01-01 11:00:00  42 s         ✗",
    "Up Down choose · Enter log · c cancel · q leave",
  ]);
});

test("no line is wider than the terminal, and no more jobs are shown than fit", () => {
  const shown = view();
  shown.jobs = Array.from({ length: 50 }, (_, index) => ({ ...(jobs[0] as Job), job_id: `job-${index}` }));
  for (let count = 0; count < 30; count++) shown.key("j");
  const frame = lines(shown, { columns: 30, rows: 12 });
  expect(frame.length).toBeLessThan(12);
  expect(Math.max(...frame.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(30);
  expect(frame.join("\n")).toContain("job-30");
});

test("keys choose a job, which stays chosen when others come", () => {
  const shown = view();
  shown.key("\x1b[B");
  expect(marked(shown)).toBe("d-waits");
  shown.jobs = [{ ...(jobs[0] as Job), job_id: "new", status: "running" }, ...jobs];
  expect(marked(shown)).toBe("d-waits");
  expect(shown.key("\r")).toEqual({ kind: "log", jobId: "d-waits" });
  for (const key of ["q", "\x03", "\x1b"]) expect(view().key(key)).toEqual({ kind: "leave" });
});

test("a job is cancelled after a second key, and one that is over never", () => {
  const shown = view();
  expect(shown.key("c")).toBeUndefined();
  expect(lines(shown).at(-1)).toBe("cancel a-runs? y / n");
  expect(shown.key("n")).toBeUndefined();
  shown.key("c");
  expect(shown.key("y")).toEqual({ kind: "cancel", jobId: "a-runs" });
  for (let count = 0; count < 9; count++) shown.key("k");
  for (let count = 0; count < 9; count++) shown.key("j");
  shown.key("c");
  expect(marked(shown)).toBe("c-failed");
  expect(shown.key("y")).toBeUndefined();
});

test("a change is what is different from the last look", () => {
  const known = new KnownStates({ isFollowed: false });
  const job = jobs[3] as Job;
  expect(known.look(job)).toMatchObject({ before: null, status: "running" });
  expect(known.look({ ...job })).toBeUndefined();
  expect(known.look({ ...job, status: "completed", success: true })).toMatchObject({
    before: "running",
    success: true,
  });
});
