import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { zipSync } from "fflate";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jobFiles, type JobOrder } from "../../src/ci/runner/job-order.ts";
import { findJob, type RunningJob, startJob } from "../../src/ci/runner/job-process.ts";
import { readProc } from "../../src/processes.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { testUnless } from "../needs.ts";

const main = join(import.meta.dir, "../../src/main.ts");
const id = "11111111-1111-4111-8111-111111111111";
let home: string;
let running: RunningJob[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "ci-job-"));
  running = [];
});
afterEach(async () => {
  for (const job of running) job.stop("the test is over");
  await Promise.all(running.map(({ ended }) => ended));
  await rm(home, { recursive: true, force: true });
});

const world = () => ciWorld({ home, self: [process.execPath, main] });
const folder = () => join(home, "job");
const log = () => (existsSync(join(home, "log")) ? readFileSync(join(home, "log"), "utf8") : "");

async function start(
  project: object,
  { files = {}, secrets, ...order }: Partial<JobOrder> & {
    files?: Record<string, string>;
    secrets?: Record<string, string>;
  } = {},
): Promise<RunningJob> {
  const texts = { "gpu-ci.yaml": JSON.stringify(project), ...files };
  const archive = join(home, "upload.zip");
  await Bun.write(
    archive,
    zipSync(Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, new TextEncoder().encode(text)]))),
  );
  const job = startJob(world(), {
    folder: folder(),
    secrets,
    order: {
      ...{ id, archive, log: join(home, "log"), args: [], hidden: [home], limits: {}, isolation: "process" },
      environment: { PATH: process.env.PATH, HOME: join(home, "home") },
      ...order,
    },
  });
  running.push(job);
  return job;
}

const run = async (...given: Parameters<typeof start>) => await (await start(...given)).ended;

/** Waits until the log holds that text. */
async function said(text: string): Promise<void> {
  while (!log().includes(text)) await Bun.sleep(5);
}

const pidOf = (): number => JSON.parse(readFileSync(join(folder(), jobFiles.state), "utf8")).pid;
const living = () => readProc().filter(({ carries }) => carries(`GPU_CI_JOB=${id}`));

describe("a job in a process of its own", () => {
  test("writes its log and its end, and leaves nothing else", async () => {
    const end = await run({ setup: ["echo set up"], test: "echo tested >&2" });
    expect(end).toMatchObject({ success: true, status: "completed", artifacts: [] });
    expect(log()).toBe("set up\ntested\n");
    expect(readdirSync(folder()).toSorted()).toEqual(["alive", "end.json", "order.json", "state.json"]);
    expect(readdirSync(home)).not.toContain("upload.zip");
  });

  test("is stopped with all it started, and its log says why", async () => {
    const job = await start({ test: "setsid sleep 601 & echo up; sleep 601" });
    await said("up\n");
    job.stop("it was cancelled");
    job.stop("once more");
    expect(await job.ended).toMatchObject({ success: false, status: "cancelled" });
    expect(log()).toBe("up\ngpu: the job was stopped: it was cancelled\n");
    expect(living()).toEqual([]);
  });

  test("can be stopped before it listens", async () => {
    const job = await start({ test: "echo never" });
    job.stop("too early");
    expect(await job.ended).toMatchObject({ success: false, status: "cancelled" });
    expect(log()).toBe("gpu: the job was stopped: too early\n");
  });

  test("outlives the server, and the next one finds it", async () => {
    // The first server is a process that is killed; its job waits for a gate.
    const gate = join(home, "gate");
    const server = join(home, "server.ts");
    await Bun.write(
      join(home, "upload.zip"),
      zipSync({
        "gpu-ci.yaml": new TextEncoder().encode(
          JSON.stringify({ test: `echo up; while ! test -e ${gate}; do sleep 0.02; done; echo "done <$SECRET>"` }),
        ),
      }),
    );
    const order = {
      ...{ id, archive: join(home, "upload.zip"), log: join(home, "log"), args: [], hidden: [], limits: {} },
      ...{ isolation: "process", environment: { PATH: process.env.PATH } },
    };
    const source = (path: string) => JSON.stringify(join(import.meta.dir, path));
    await Bun.write(
      server,
      `import { startJob } from ${source("../../src/ci/runner/job-process.ts")};
       import { ciWorld } from ${source("../fake/ci-world.ts")};
       const world = ciWorld({ home: ${JSON.stringify(home)}, self: [process.execPath, ${JSON.stringify(main)}] });
       startJob(world, { folder: ${JSON.stringify(folder())}, order: ${
        JSON.stringify(order)
      }, secrets: { SECRET: "s3cret" } });
       setInterval(() => {}, 1000);`,
    );
    const first = Bun.spawn([process.execPath, server]);
    await said("up\n");
    first.kill("SIGKILL");
    await first.exited;
    const found = findJob(world(), { folder: folder(), id });
    running.push(found);
    await Bun.sleep(200);
    expect(log()).toBe("up\n");
    await Bun.write(gate, "");
    expect(await found.ended).toMatchObject({ success: true, status: "completed" });
    expect(log()).toBe("up\ndone <***>\n");
    // One that comes later still hears how it ended.
    expect(await findJob(world(), { folder: folder(), id }).ended).toMatchObject({ success: true });
  });

  test("whose process is killed is lost, and nothing of it goes on", async () => {
    const job = await start({ test: "setsid sleep 602 & echo up; sleep 602", limits: { processes: 50 } });
    await said("up\n");
    process.kill(pidOf(), "SIGKILL");
    expect(await job.ended).toMatchObject({ success: false, status: "lost", artifacts: [] });
    expect(living()).toEqual([]);
    expect(readdirSync(folder())).not.toContain("project");
  });
});

describe("secrets", () => {
  test("are seen by the job, and by nobody in its log or on the disk", async () => {
    const secrets = { TOKEN: "tok-en 1234", KEY: "-----BEGIN\nabcdefgh\n-----END" };
    const test = `echo "<$TOKEN>"; printf 'tok-'; sleep 0.1; printf 'en 1234 tok-'; sleep 0.1; echo on; echo "$KEY"; ` +
      `grep -rlF "$TOKEN" ${home} || echo nowhere; env | grep -c '^TOKEN='; echo "$TOKEN" > kept.txt`;
    await run({ test, artifacts: ["kept.txt"] }, { secrets });
    expect(log()).toBe("<***>\n*** tok-on\n***\nnowhere\n1\n");
    expect(await Bun.file(join(folder(), "artifacts/kept.txt")).text()).toBe("tok-en 1234\n");
  });
});

describe("what a job leaves", () => {
  test("are counts of its tests, and its artifacts, of which none leads elsewhere", async () => {
    const test = `mkdir -p reports/deep; echo '<testsuite><testcase/><testcase><failure/></testcase></testsuite>' > ` +
      `reports/junit.xml; echo x > reports/deep/x.txt; echo y > other; ln -s /etc/passwd reports/passwd; ` +
      `ln -s /etc reports/etc; mkfifo reports/pipe; echo z > reports/.z; exit 1`;
    const end = await run({ test, artifacts: ["reports/**", "nothing/*"], results: "reports/junit.xml" });
    expect(end.results).toEqual({ passed: 1, failed: 1, skipped: 0 });
    expect(end.artifacts.map(({ name }) => name)).toEqual(["reports/.z", "reports/deep/x.txt", "reports/junit.xml"]);
    expect(log()).toBe("gpu: 1 passed, 1 failed, 0 skipped\n");
    expect(await Bun.file(join(folder(), "artifacts/reports/deep/x.txt")).text()).toBe("x\n");
  });

  test("is bounded, and what is missing is said", async () => {
    const end = await run(
      { test: "head -c 3000 /dev/zero > big; echo s > small", artifacts: ["*"], results: "no.xml" },
      {
        limits: { artifactBytes: 1000 },
      },
    );
    expect(end).toMatchObject({ success: true, artifacts: [{ name: "gpu-ci.yaml" }, { name: "small", size: 2 }] });
    expect(log()).toContain("gpu: the tests wrote no `no.xml`\ngpu: 1 artifacts were not kept");
  });

  test("of TAP on its output is counted without being asked for", async () => {
    const test = `printf 'TAP version 13\\n1..3\\nok 1 - a\\nnot ok 2 - b\\nok 3 # SKIP c\\n'`;
    expect((await run({ test })).results).toEqual({ passed: 1, failed: 1, skipped: 1 });
  });
});

const onLinux = testUnless(process.platform === "linux" ? undefined : "there is no /proc here");

describe("limits", () => {
  test("of time: the server's, where the project's is longer", async () => {
    const end = await run({ test: "sleep 603", timeout: "1h" }, { limits: { timeoutMs: 200 } });
    expect(end.success).toBe(false);
    expect(log()).toBe("gpu: the job was stopped: it took longer than 0.2 s\n");
  });

  onLinux("of memory end a job that takes more", async () => {
    const hog = `python3 -c "x = bytearray(400_000_000)\nimport time; time.sleep(20)"`;
    const end = await run({ test: hog, limits: { memory: "100MiB" } });
    expect(end.success).toBe(false);
    expect(log()).toContain("it used more than 100 MiB of memory");
  });

  test("of disk end a job that fills its folder, the project's where it is stricter", async () => {
    const fill = "mkdir -p deep/er; head -c 3000000 /dev/zero > deep/er/zeros; echo written; exec sleep 605";
    for (const [disk, limits] of [["2MB", {}], ["1GB", { diskBytes: 2e6 }]] as const) {
      const end = await run({ test: fill, limits: { disk } }, { limits });
      expect(end).toMatchObject({ success: false, status: "completed" });
      expect(log()).toEndWith("written\ngpu: the job was stopped: it used more than 2 MB of disk\n");
      expect(readdirSync(folder())).not.toContain("project");
    }
  });

  test("of disk hold for what is unpacked, too", async () => {
    const end = await run({ test: "echo never" }, {
      files: { big: "x".repeat(3_000_000) },
      limits: { diskBytes: 2e6 },
    });
    expect(end.success).toBe(false);
    expect(log()).toBe("gpu: the upload cannot be unpacked: it holds more than 2 MiB\n");
  });

  onLinux("of processes hold a job that forks and forks", async () => {
    const forks = "for i in $(seq 60); do sleep 604 & done; wait";
    const end = await run({ test: forks, limits: { processes: 20 }, timeout: "3s" });
    expect(end.success).toBe(false);
    expect(living()).toEqual([]);
  });
});

const bubblewrapProblem = () => {
  if (Bun.which("bwrap") === null) return "there is no bwrap here";
  const words = ["bwrap", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"];
  return Bun.spawnSync(words).exitCode === 0 ? undefined : "bwrap may not be used here";
};
const inBubblewrap = testUnless(bubblewrapProblem());

describe("isolation", () => {
  inBubblewrap("keeps a job from the system's files, the server's, the home, and others' processes", async () => {
    await mkdir(join(home, "home/.ssh"), { recursive: true });
    await Bun.write(join(home, "home/.ssh/id"), "private");
    await Bun.write(join(home, "jobs.db"), "keys");
    const tries = [
      "touch /etc/mine 2>/dev/null && echo wrote /etc",
      `ls ${home}/jobs.db 2>/dev/null && echo saw the server`,
      `cat ${home}/home/.ssh/id 2>/dev/null && echo saw the home`,
      `kill -0 ${process.pid} 2>/dev/null && echo saw a process`,
      "touch /tmp/in-tmp && echo own tmp",
      "touch here && echo own project",
      "echo $$ | grep -c . >/dev/null && cat /proc/1/comm",
    ];
    await run({ test: tries.join("; ") }, { isolation: "bubblewrap" });
    expect(log()).toBe("own tmp\nown project\nbwrap\n");
    expect(existsSync("/tmp/in-tmp")).toBe(false);
  });

  inBubblewrap("without a network where the project wants none, and ends with the job", async () => {
    const test = "ls /sys/class/net 2>/dev/null | wc -l; cat /proc/net/dev | grep -c : ; setsid sleep 605 & echo over";
    const end = await run({ test, network: "none" }, { isolation: "bubblewrap" });
    expect(end.success).toBe(true);
    expect(log()).toContain("\n1\nover\n");
    expect(readProc().filter(({ pid }) => readFileSafe(`/proc/${pid}/cmdline`).includes("sleep\x00605"))).toEqual([]);
  });

  test("that is not there fails the job, and says so", async () => {
    expect(await run({ test: "echo never" }, { isolation: "bubblewrap", environment: { PATH: "/nowhere" } }))
      .toMatchObject({ success: false, status: "completed" });
    expect(log()).toContain("gpu: the job cannot be isolated: ");
  });

  test("from the network needs it", async () => {
    expect(await run({ test: "echo never", network: "none" })).toMatchObject({ success: false });
    expect(log()).toBe("gpu: gpu-ci.yaml says `network: none`, which needs a server with `--isolation bubblewrap`\n");
  });
});

function readFileSafe(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
