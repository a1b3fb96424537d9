// Supervisor and scripts in the shells that machines have, with all programs of a system or with BusyBox's alone.
import { afterAll, afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DetachedJobs } from "../../src/agent/detached-jobs.ts";
import { showLog } from "../../src/jobs/log.ts";
import { KeptJobs, type KnownJob } from "../../src/jobs/kept.ts";
import { lookAt } from "../../src/jobs/look.ts";
import { jobOf } from "../../src/jobs/outcome.ts";
import { readJob } from "../../src/jobs/read.ts";
import { startJob } from "../../src/jobs/start.ts";
import { deleteJob, stopJob } from "../../src/jobs/stop.ts";
import { supervisor } from "../../src/jobs/supervisor.ts";
import { lastLines } from "../../src/jobs/tail.ts";
import { waitForJobs } from "../../src/jobs/wait.ts";
import { busyboxOnly, carrying, killAll, type Machine, machine } from "./jobs-fixture.ts";

const scratch = mkdtempSync(join(tmpdir(), "gpu-jobs-bin-"));
const busybox = busyboxOnly(join(scratch, "all"));
const bare = busyboxOnly(join(scratch, "bare"), ["setsid"]);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
// Many processes, on a computer that may be busy.
setDefaultTimeout(20_000);

let there: Machine;

async function start(command: string, { name, ahead = "" }: { name?: string; ahead?: string } = {}): Promise<KnownJob> {
  const order = { name, batch: "b", shown: command, command, ahead, reach: there.reach() };
  return await startJob(there.context, there.target, order);
}

async function ended(job: KnownJob, timeoutMs = 10_000) {
  for await (const end of waitForJobs(there.context, [job], { reach: there.reach(), timeoutMs })) return end;
}

const stop = (job: KnownJob, signal = "TERM", graceSeconds = 5) =>
  stopJob(there.context, job, { signal, graceSeconds, reach: there.reach() });

const folderOf = ({ id }: KnownJob) => `GPU_JOB_FOLDER=${join(there.jobs, id)}`;

const now = async (job: KnownJob) => {
  const report = await lookAt(there.reach(), job, there.context.signal);
  return report && jobOf(job, report);
};

async function hasPrinted(job: KnownJob): Promise<void> {
  while (((await now(job))?.stdoutBytes ?? 0) === 0) await Bun.sleep(20);
}

async function printed(job: KnownJob, from = { stdout: 0, stderr: 0 }) {
  const said = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  await readJob(there.context, job, {
    reach: there.reach(),
    streams: ["stdout", "stderr"],
    follows: true,
    positions: from,
    signal: there.context.signal,
    sink: (stream, chunk) => void said[stream].push(chunk),
  });
  return { stdout: Buffer.concat(said.stdout), stderr: Buffer.concat(said.stderr) };
}

describe.each(
  [
    ["dash", { shell: ["dash"] }],
    ["bash", { shell: ["bash"] }],
    ["BusyBox and nothing else", { shell: ["busybox", "sh"], path: busybox }],
    ["BusyBox without setsid", { shell: ["busybox", "sh"], path: bare }],
  ] as const,
)("in %s", (_, options) => {
  beforeEach(() => void (there = machine(options)));
  afterEach(async () => await there[Symbol.asyncDispose]());

  test("output, exit code and what it runs with", async () => {
    const job = await start('read -r line; echo "$line $GPU_JOB"; pwd; umask; echo oops >&2; exit 3', {
      ahead: "hello\n",
    });
    const { stdout, stderr } = await printed(job);
    expect(stdout.toString()).toBe(`hello ${job.id}\n${there.home}\n0022\n`);
    expect(stderr.toString()).toBe("oops\n");
    expect(await ended(job)).toMatchObject({ state: "failed", exitCode: 3, reason: null });
  });

  test("last lines, and only what is new", async () => {
    const job = await start("seq 1 1000; echo no newline at the end | tr -d '\\n' >&2");
    await ended(job);
    const positions = await lastLines(there.context, job, {
      reach: there.reach(),
      lines: 2,
      streams: ["stdout", "stderr"],
    });
    const { stdout, stderr } = await printed(job, positions);
    expect(stdout.toString()).toBe("999\n1000\n");
    expect(stderr.toString()).toBe("no newline at the end");
  });
});

describe.each(
  [
    ["everything", {}],
    ["BusyBox without setsid", { shell: ["busybox", "sh"], path: bare }],
  ] as const,
)("with %s", (_, options) => {
  beforeEach(() => void (there = machine(options)));
  afterEach(async () => await there[Symbol.asyncDispose]());

  test("all of it ends, whoever ignores the signal", async () => {
    const job = await start("trap '' TERM; echo deaf; sleep 30 & sleep 31; sleep 32");
    await hasPrinted(job);
    expect(await stop(job, "TERM", 1)).toMatchObject({ state: "stopped", exitCode: 137 });
    expect(carrying(folderOf(job))).toEqual([]);
  });
});

describe("a job", () => {
  beforeEach(() => void (there = machine()));
  afterEach(async () => await there[Symbol.asyncDispose]());

  test("is interrupted as Ctrl-C would", async () => {
    const job = await start("trap 'echo saved; exit 9' INT; echo ready; while :; do sleep 0.05; done");
    await hasPrinted(job);
    expect(await stop(job, "INT")).toMatchObject({ state: "stopped", exitCode: 9 });
    expect((await printed(job)).stdout.toString()).toBe("ready\nsaved\n");
  });

  test("has ended, though what it leaves behind prints on", async () => {
    const job = await start("(sleep 30; echo late) & echo now");
    expect(await ended(job)).toMatchObject({ state: "ok", exitCode: 0 });
    expect(carrying(folderOf(job))).not.toEqual([]);
    killAll(folderOf(job));
  });

  test("that went into a session of its own ends too", async () => {
    const job = await start("setsid sleep 30 & wait");
    while (carrying(folderOf(job)).length < 2) await Bun.sleep(20);
    await stop(job);
    expect(carrying(folderOf(job))).toEqual([]);
  });

  test("keeps no secret that was sent ahead, and its files are its owner's alone", async () => {
    const secret = `s3cret-${Math.random()}`;
    const job = await start('eval "$(cat)"; echo ${#TOKEN}; sleep 30', { ahead: `export TOKEN=${secret}\n` });
    await hasPrinted(job);
    expect((Bun.spawnSync(["ps", "axww", "-o", "args="]).stdout.toString()).includes(secret)).toBe(false);
    const folder = join(there.jobs, job.id);
    for (const name of readdirSync(folder)) {
      expect({ name, isSafe: !readFileSync(join(folder, name), "latin1").includes(secret) }).toEqual({
        name,
        isSafe: true,
      });
      expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
    }
    expect(statSync(folder).mode & 0o077).toBe(0);
    await stop(job);
    expect((await printed(job)).stdout.toString()).toBe(`${secret.length}\n`);
  });

  test("is started once, however often its answer is lost", async () => {
    there.loseAnswers(2);
    const job = await start("echo begun");
    expect(readdirSync(there.jobs)).toEqual([job.id]);
    await ended(job);
    expect((await printed(job)).stdout.toString()).toBe("begun\n");
  });

  test("whose start nobody knows of is found again", async () => {
    there.loseAnswers(4);
    await expect(start("echo begun")).rejects.toThrow("lost");
    const [job] = await new KeptJobs(there.context.world).all();
    expect(job).toMatchObject({ isConfirmed: false });
    expect(job && await ended(job)).toMatchObject({ state: "ok" });
  });

  test("whose supervisor was killed is lost, and so is one whose machine was rebooted", async () => {
    const job = await start("sleep 30");
    const file = join(there.jobs, job.id, "pid");
    const [pid = "", ...rest] = readFileSync(file, "utf8").split(" ");
    process.kill(-Number(pid), "SIGKILL");
    await Bun.sleep(50);
    expect(await now(job)).toMatchObject({ state: "lost", reason: expect.stringContaining("it still runs") });
    await stop(job);
    expect(await now(job)).toMatchObject({ state: "stopped", exitCode: null });
    rmSync(join(there.jobs, job.id, "stop"));
    expect(await now(job)).toMatchObject({ state: "lost", reason: "what watched it was killed" });
    writeFileSync(file, [pid, rest[0], "another-start-of-the-system", ...rest.slice(2)].join(" "));
    expect(await now(job)).toMatchObject({ state: "lost", reason: "its machine was rebooted" });
  });

  test("is not taken for another process that has its number by now", async () => {
    const job = await start("exit 0");
    await ended(job);
    rmSync(join(there.jobs, job.id, "exit"));
    const file = join(there.jobs, job.id, "pid");
    const [, ...rest] = readFileSync(file, "utf8").split(" ");
    writeFileSync(file, [process.pid, ...rest].join(" "));
    expect((await now(job))?.state).toBe("lost");
    const agent = new DetachedJobs({ ...there.context.world, home: there.home });
    await agent.look();
    expect(agent.running).toBe(0);
  });

  test("is use of its machine as long as it runs", async () => {
    const agent = new DetachedJobs({ ...there.context.world, home: there.home });
    await agent.look();
    expect(agent).toMatchObject({ running: 0, lastActivityMs: undefined });
    const job = await start("sleep 30");
    await agent.look();
    expect(agent.running).toBe(1);
    expect(agent.lastActivityMs).toBeNumber();
    await stop(job);
    await agent.look();
    expect(agent.running).toBe(0);
  });

  test("has its name for itself while it runs", async () => {
    const first = await start("sleep 30", { name: "train" });
    await expect(start("true", { name: "train" })).rejects.toThrow(`runs on \`lab\` already: ${first.id}`);
    await expect(deleteJob(there.context, first, there.reach())).rejects.toThrow("runs on `lab`");
    await stop(first);
    const second = await start("true", { name: "train" });
    await ended(second);
    await deleteJob(there.context, first, there.reach());
    expect(readdirSync(there.jobs)).toEqual([second.id]);
  });

  test("of last week is removed when the next one starts", async () => {
    const old = await start("true");
    await ended(old);
    const age = (name: string) => Bun.spawnSync(["touch", "-d", "8 days ago", join(there.jobs, old.id, name)]);
    for (const name of readdirSync(join(there.jobs, old.id))) if (name !== "exit") age(name);
    const next = await start("true");
    expect(readdirSync(there.jobs).toSorted()).toEqual([old.id, next.id].toSorted());
    await ended(next);
    age("exit");
    const last = await start("true");
    expect(readdirSync(there.jobs).toSorted()).toEqual([next.id, last.id].toSorted());
    await ended(last);
  });

  test("of 50 MB is read byte for byte, in steps", async () => {
    const job = await start("head -c 50000000 /dev/zero | tr '\\0' x; echo end >&2");
    const { stdout, stderr } = await printed(job);
    const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    expect(stdout.length).toBe(50_000_000);
    expect(hash(stdout)).toBe(hash(Buffer.alloc(50_000_000, "x")));
    expect(stderr.toString()).toBe("end\n");
  });

  test("that prints too much keeps its beginning and its end, and says what is missing", async () => {
    // The same supervisor with small files.
    const small = supervisor.replaceAll("16777216", "65536").replaceAll("count=4096 ", "count=16 ");
    expect(small).not.toBe(supervisor);
    const job = await start("cat > ../script; sh ../script watch x 022", { ahead: "" });
    await ended(job);
    const watched = { ...job, id: "j-abcdef12" };
    const folder = join(there.jobs, watched.id);
    Bun.spawnSync(["mkdir", folder]);
    for (const [name, text] of Object.entries({ job: "{}", name: "", command: "seq 1 200000", supervisor: small })) {
      writeFileSync(join(folder, name), text);
    }
    const env = { PATH: process.env.PATH, HOME: there.home };
    Bun.spawnSync(["sh", join(folder, "supervisor"), "watch", folder, "022"], { env, stdin: null });
    const whole = Buffer.from(Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join(""));
    const report = await now(watched);
    expect(report).toMatchObject({ state: "ok", stdoutBytes: whole.length, truncated: true });
    const { stdout } = await printed(watched);
    expect(stdout.length).toBeLessThan(10 * 131_072);
    expect(stdout.subarray(0, 65_536)).toEqual(whole.subarray(0, 65_536));
    expect(stdout.subarray(-200_000)).toEqual(whole.subarray(-200_000));
    const missing = whole.length - stdout.length;
    expect(there.notes).toContain(`… ${missing} bytes of stdout are not kept …`);
  });

  test("that is read early, and left, is left alone", async () => {
    const job = await start("for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done");
    const options = {
      reach: there.reach(),
      streams: ["stdout"] as const,
      follows: true,
      tail: undefined,
      isNew: false,
    };
    for await (const { text } of showLog({ ...there.context, attached: undefined }, job, options)) {
      if (text === "2") break;
    }
    expect((await now(job))?.state).toBe("running");
    expect(await ended(job)).toMatchObject({ state: "ok" });
  });
});
