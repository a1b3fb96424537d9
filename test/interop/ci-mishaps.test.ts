import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { zipSync } from "fflate";
import { existsSync, linkSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepArtifacts } from "../../src/ci/runner/artifacts.ts";
import { makeControlGroups } from "../../src/ci/runner/cgroup.ts";
import { extract } from "../../src/ci/runner/extract.ts";
import { JobLog } from "../../src/ci/runner/job-log.ts";
import { jobFiles } from "../../src/ci/runner/job-order.ts";
import { type RunningJob, startJob } from "../../src/ci/runner/job-process.ts";
import { readProject } from "../../src/ci/runner/project.ts";
import { openDatabase } from "../../src/ci/server/database.ts";
import { realClock } from "../../src/outside.ts";
import { readProc } from "../../src/processes.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { testUnless } from "../needs.ts";
import { jobAt, projectOf, readJob, ServerHome, submit, until } from "./ci-serve.ts";

setDefaultTimeout(30_000);

const main = join(import.meta.dir, "../../src/main.ts");
let home: string;
let servers: ServerHome;
const running: RunningJob[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "ci-mishaps-"));
  servers = await ServerHome.make();
});
afterEach(async () => {
  for (const job of running) job.stop("the test is over");
  await Promise.all(running.splice(0).map(({ ended }) => ended));
  await servers[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function start(line: string, { patienceMs }: { patienceMs?: number } = {}): Promise<RunningJob> {
  const archive = join(home, "upload.zip");
  await Bun.write(archive, zipSync({ "gpu-ci.yaml": bytesOf(JSON.stringify({ test: line })) }));
  // What a server waits for the job's own process to end it: half a minute.
  const sleep: typeof realClock.sleep = (ms, signal) =>
    realClock.sleep(ms === 30_000 && patienceMs !== undefined ? patienceMs : ms, signal);
  const clock = { ...realClock, sleep };
  const world = ciWorld({ home, self: [process.execPath, main], clock });
  const job = startJob(world, {
    folder: join(home, "job"),
    order: {
      ...{ id: crypto.randomUUID(), archive, log: join(home, "log"), args: [], hidden: [], limits: {} },
      ...{ isolation: "process", environment: { PATH: process.env.PATH } },
    },
  });
  running.push(job);
  return job;
}

const log = () => (existsSync(join(home, "log")) ? readFileSync(join(home, "log"), "utf8") : "");
const isRunning = (mark: string) => readProc().some(({ pid }) => commandOf(pid).split("\0").includes(mark));

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

const isStopped = (pid: number) => readFileSync(`/proc/${pid}/stat`, "utf8").includes(") T ");

test("a port has one server", async () => {
  const { port } = new URL((await servers.serve("--open")).url);
  const { stderr, exitCode } = await servers.gpu(
    "ci",
    "serve",
    "--open",
    "--port",
    port,
    "--data",
    join(home, "other"),
  );
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`cannot serve on port ${port} of 127.0.0.1: another program listens there`);
});

test("a job whose server was killed before the job began has its turn again, with its variables, before others", async () => {
  const data = join(servers.home, ".local/state/gpu/ci");
  const gate = join(home, "gate");
  const first = await servers.serve("--open");
  const blocking = await submit(first.url, projectOf(`echo up; while ! test -e ${gate}; do sleep 0.02; done`));
  const env = JSON.stringify({ WORD: "sesame" });
  const id = await submit(first.url, projectOf('echo "$WORD" | tr a-z A-Z'), { fields: { env } });
  const next = await submit(first.url, projectOf("echo next"));
  await until(async () => (await Bun.file(join(data, "logs", `${blocking}.log`)).text()) === "up\n");
  first.kill("SIGKILL");
  await first.exited;
  // What a kill leaves between the order and the process that reads it.
  const work = join(data, "work", id);
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, jobFiles.order), "{}");
  utimesSync(join(work, jobFiles.order), 0, 0);
  const database = new Database(join(data, "jobs.db"));
  database.run("UPDATE jobs SET status = 'running', start_time = created_at WHERE job_id = ?", [id]);
  database.close();
  const second = await servers.serve("--open");
  await until(async () => (await jobAt(second.url, id)).status === "queued");
  writeFileSync(gate, "");
  expect(await readJob(second.url, id)).toEqual({ lines: ["SESAME\n"], success: true });
  expect(await readJob(second.url, next)).toEqual({ lines: ["next\n"], success: true });
  const starts = await Promise.all([id, next].map(async (job) => String((await jobAt(second.url, job)).start_time)));
  expect(starts).toEqual(starts.toSorted());
});

test.skipIf(process.platform !== "linux")("a job that stopped what runs it can be cancelled", async () => {
  const job = await start("echo up; sleep 0.3; kill -STOP $PPID; sleep 95", { patienceMs: 300 });
  await until(() => log() === "up\n");
  await until(() => readProc().some(({ pid }) => commandOf(pid).includes(home) && isStopped(pid)));
  job.stop("it was cancelled");
  expect(await job.ended).toMatchObject({
    status: "cancelled",
    success: false,
    note: "the job was stopped: it was cancelled; what ran it did not listen and was killed",
  });
});

const probe = makeControlGroups(`probe-${process.pid}`, {}, process.platform);
probe?.remove();

testUnless(probe ? undefined : "control groups cannot be made here")(
  "a daemon that cleared its environment ends with its job",
  async () => {
    const mark = `9${process.pid}7`;
    const job = await start(`(env -i setsid sleep ${mark} &); sleep 0.2; echo done`);
    await until(() => isRunning(mark));
    expect(await job.ended).toMatchObject({ success: true, status: "completed" });
    expect(isRunning(mark)).toBe(false);
  },
);

test("what a full disk does not take of a log is no reason to end without a word", () => {
  if (!existsSync("/dev/full")) return;
  const full = JobLog.create("/dev/full");
  expect(() => full.write("a line\n")).toThrow("ENOSPC");
  full.note("the disk is full");
  full.close();
});

test("a file that has another name somewhere else keeps its mode there", () => {
  const store = join(home, "store");
  writeFileSync(store, "shared", { mode: 0o644 });
  mkdirSync(join(home, "project"));
  linkSync(store, join(home, "project/linked"));
  const { artifacts } = keepArtifacts({ from: join(home, "project"), to: join(home, "kept"), patterns: ["*"] });
  expect(artifacts).toEqual([{ name: "linked", size: 6 }]);
  expect(statSync(store).mode & 0o777).toBe(0o644);
  expect(statSync(join(home, "kept/linked")).mode & 0o777).toBe(0o600);
});

test("what would keep a job's process from listening is refused: a huge gpu-ci.yaml, a path of a thousand folders", async () => {
  await Bun.write(join(home, "gpu-ci.yaml"), `test: "true"\n${"# long\n".repeat(50_000)}`);
  await expect(readProject(home, [])).rejects.toThrow("it is larger than 256 KiB");
  const archive = join(home, "deep.zip");
  await Bun.write(archive, zipSync({ [`${"a/".repeat(30_000)}x`]: bytesOf("x") }));
  await expect(extract(archive, join(home, "out"))).rejects.toThrow("is longer than a path may be");
});

test("another program's database stays as it is", () => {
  const database = new Database(join(home, "jobs.db"), { create: true });
  database.run("CREATE TABLE jobs (title TEXT)");
  database.close();
  expect(() => openDatabase(home)).toThrow("is the database of another program");
});

test("a key's end is a time that can be written", async () => {
  await servers.gpu("ci", "user", "create", "--name", "Ada", "--email", "ada@example.com");
  const create = (...flags: string[]) => servers.gpu("ci", "key", "create", "--email", "ada@example.com", ...flags);
  expect(await create("--name", "k", "--expires", "99999999d")).toMatchObject({
    exitCode: 1,
    stderr: "error: a key cannot be accepted for so long\nhint: `never` is for ever\n",
  });
  expect(await create("--name", "a\nb")).toMatchObject({ exitCode: 2 });
});
