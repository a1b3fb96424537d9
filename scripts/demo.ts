// The main job on this computer: dist/gpu in a clean HOME launches, waits, tunnels, submits this repository's unit
// tests and stops. Then it shows that nothing is left, and how long each part took.
import { Database } from "bun:sqlite";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { build, executable } from "./build.ts";
import { root } from "./toolchain.ts";
import { machineFoldersOf, processesOf, stateFolderOf } from "./traces.ts";

const home = mkdtempSync(join(tmpdir(), "gpu-demo-"));
const environment = { HOME: home, PATH: "/usr/bin:/bin" };
let running: ChildProcess | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => running?.kill(signal));

try {
  process.exitCode = await demo();
} finally {
  for (const { pid } of processesOf(home)) process.kill(pid, "SIGKILL");
  rmSync(home, { recursive: true, force: true });
}

async function demo(): Promise<number> {
  await build();
  const job = await runLive(["run", "recipes/test-on-gpu.ts", "--dir", ".", "--hours", "0.5"]);
  const left = await whatIsLeft();
  console.log(["", "What is left:", ...left.lines].join("\n"));
  const times = readTimes();
  if (times) console.log(["", timeLine(times, job.lineTimes)].join("\n"));
  if (job.code !== 0) console.error(`\nthe recipe ended with ${job.code}`);
  if (!left.isNothing) console.error("\nsomething was left behind");
  return job.code !== 0 ? job.code : left.isNothing && times ? 0 : 1;
}

interface LiveRun {
  readonly code: number;
  /** When each piece of its stdout came, in milliseconds since 1970. */
  readonly lineTimes: readonly number[];
}

/** Runs gpu, passes on what it prints as it comes, and notes when. */
function runLive(argv: string[]): Promise<LiveRun> {
  console.log(`$ gpu ${argv.join(" ")}`);
  const lineTimes: number[] = [];
  const child = spawn(executable, argv, { cwd: root, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  running = child;
  child.stdout.on("data", (chunk: Uint8Array) => {
    lineTimes.push(Date.now());
    process.stdout.write(chunk);
  });
  child.stderr.pipe(process.stderr);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      running = undefined;
      setImmediate(() => resolve({ code: code ?? 1, lineTimes }));
    });
  });
}

/** Looks for instances, processes and folders; processes that are just ending get two seconds. */
async function whatIsLeft(): Promise<{ lines: string[]; isNothing: boolean }> {
  const { stdout, status } = spawnSync(executable, ["status", "--json"], { env: environment, encoding: "utf8" });
  const instances: unknown = status === 0 ? JSON.parse(stdout) : `gpu status failed with ${status}`;
  const deadline = Date.now() + 2000;
  while (processesOf(home).length > 0 && Date.now() < deadline) await Bun.sleep(20);
  const found = {
    instances: Array.isArray(instances) ? instances.map((instance) => JSON.stringify(instance)) : [String(instances)],
    processes: processesOf(home).map(({ pid, command }) => `${pid} ${command}`),
    folders: machineFoldersOf(home),
  };
  const lines = Object.entries(found).map(([what, things]) => `  ${what.padEnd(9)}  ${things.join(", ") || "none"}`);
  return { lines, isNothing: Object.values(found).every((things) => things.length === 0) };
}

interface Times {
  readonly createdAt: number;
  readonly readyAt: number;
  readonly stoppingAt: number;
  readonly stoppedAt: number;
}

/** What the journal says of the one launch; nothing when it did not come to its end. */
function readTimes(): Times | undefined {
  using journal = new Database(join(stateFolderOf(home), "journal.db"));
  const row = journal.query<Times, []>("SELECT createdAt, readyAt, stoppingAt, stoppedAt FROM launches").get();
  return row && Object.values(row).every((time) => time !== null) ? row : undefined;
}

function timeLine({ createdAt, readyAt, stoppingAt, stoppedAt }: Times, lineTimes: readonly number[]): string {
  const ofJob = lineTimes.filter((time) => time >= readyAt && time <= stoppingAt);
  const first = ofJob[0] ?? stoppingAt;
  const last = ofJob.at(-1) ?? stoppingAt;
  const parts = {
    "launch to ready": readyAt - createdAt,
    "tunnel and submit": first - readyAt,
    "tests": last - first,
    "to stopped": stoppedAt - last,
    "without the tests": stoppedAt - createdAt - (last - first),
  };
  return `Times: ${Object.entries(parts).map(([part, ms]) => `${part} ${(ms / 1000).toFixed(2)} s`).join(" · ")}`;
}
