// The CI server's logs and submissions: `scripts/bench ci stream [lines]`. One server and its jobs are processes of their own.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { readProc, sendSignal } from "../../src/processes.ts";
import { build, executable } from "../build.ts";
import { submit } from "./stream-submit.ts";

const target = { linesPerSecond: 300_000, p99Ms: 10, growthMB: 60 };
const streaming = { jobs: 50, lines: 300, everyMs: 50 };
const submissions = 1_000;

export default async function stream([lines = "1000000"]: readonly string[]): Promise<void> {
  if (Bun.which("python3") === null) throw new Error("there is no python3 here for jobs that tell the time");
  await build();
  const home = mkdtempSync(join(tmpdir(), "gpu-bench-stream-"));
  const env = { PATH: process.env.PATH, HOME: home };
  const server = spawn(executable, ["ci", "serve", "--open", "--port", "0", "--json", "--jobs", "50"], {
    ...{ cwd: home, env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      server.stdout.once("data", (said: Buffer) => resolve(String(/"url":"([^"]+)"/.exec(said.toString())?.[1])));
      server.once("exit", () => reject(new Error("the server did not start")));
    });
    server.stdout.resume();
    const problems = [
      ...await throughput(url, { count: Number(lines), pid: server.pid ?? 0, env }),
      ...await latency(url),
      ...await manySubmissions(url),
    ];
    if (problems.length > 0) throw new Error(problems.join("\n"));
  } finally {
    server.kill("SIGKILL");
    // Jobs outlive their server.
    for (const { pid, carries } of readProc()) if (carries(`HOME=${home}`)) sendSignal(pid, "SIGKILL");
    await Bun.sleep(200);
    rmSync(home, { recursive: true, force: true });
  }
}

/** One job of very many lines, followed while it says them, and read again when it is over. */
async function throughput(
  url: string,
  { count, pid, env }: { count: number; pid: number; env: Record<string, string | undefined> },
): Promise<string[]> {
  const problems: string[] = [];
  const text = "of a test run that says a little on each line";
  const rows: (string | number)[][] = [];
  const timed = async (name: string, work: () => Promise<number>) => {
    const [rss, cpu, begun] = [memoryOf(pid).rss, cpuOf(pid), performance.now()];
    const seen = await work();
    const ms = performance.now() - begun;
    rows.push([
      name,
      seen,
      ms.toFixed(0),
      (count / ms * 1000).toFixed(0),
      cpuOf(pid) - cpu,
      (memoryOf(pid).rss - rss).toFixed(0),
    ]);
    if (seen !== count) problems.push(`${name}: ${seen} lines of ${count} came`);
    return { perSecond: count / ms * 1000, growth: memoryOf(pid).rss - rss };
  };
  let id = "";
  await timed("a job that says them, followed by bytes", async () => {
    id = await submit(url, `seq -f 'line %.0f ${text}' ${count}`);
    return await countRaw(url, id);
  });
  const raw = await timed("its log again, by bytes", () => countRaw(url, id));
  let best = 0;
  for (let round = 0; round < 3; round++) {
    const { perSecond } = await timed("its log through `gpu ci wait --all`", () => countWithClient(url, id, env));
    best = Math.max(best, perSecond);
  }
  print(["", "lines", "ms", "lines/s", "server CPU ms", "server grew MB"], rows);
  console.log(`the server holds ${memoryOf(pid).rss.toFixed(0)} MB, at most ${memoryOf(pid).peak.toFixed(0)} MB`);
  if (best < target.linesPerSecond) {
    problems.push(`server and client stream ${best.toFixed(0)} lines/s, not ${target.linesPerSecond}`);
  }
  if (raw.growth > target.growthMB) problems.push(`the server grew by ${raw.growth.toFixed(0)} MB while it streamed`);
  return problems;
}

async function countRaw(url: string, id: string): Promise<number> {
  const answer = await fetch(`${url}/jobs/${id}/stream?from_beginning=true`);
  let count = 0;
  for await (const piece of answer.body ?? []) {
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) count++;
  }
  // Three newlines a line; beside them two for the first comment and two for the end.
  return (count - 4) / 3;
}

async function countWithClient(url: string, id: string, env: Record<string, string | undefined>): Promise<number> {
  const child = spawn(executable, ["ci", "wait", id, "--all", "--server", url], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let count = 0;
  for await (const piece of child.stdout) {
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) count++;
  }
  return count;
}

/** Many jobs at once that write the time on each line: how old it is when it arrives. */
async function latency(url: string): Promise<string[]> {
  const { jobs, lines, everyMs } = streaming;
  const load = loadavg()[0]?.toFixed(1);
  const script = `import time\nfor _ in range(${lines}):\n time.sleep(${
    everyMs / 1000
  })\n print("%.6f" % time.time(), flush=True)`;
  const ids: string[] = [];
  for (let count = 0; count < jobs; count++) ids.push(await submit(url, `exec python3 -u -c '${script}'`));
  const { hostname, port } = new URL(url);
  // While they start they are in each other's way, which is no matter of the server's.
  const reader = spawn("python3", [join(import.meta.dir, "ages.py"), hostname, port, "0.5", ...ids], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { seen, ages } = JSON.parse(Buffer.concat(await Array.fromAsync(reader.stdout)).toString()) as {
    seen: number;
    ages: number[];
  };
  const counted = ages.toSorted((a, b) => a - b);
  const [p50, p99, max] = [0.5, 0.99, 1].map((part) => counted[Math.ceil(counted.length * part) - 1] ?? NaN);
  console.log(
    `\n${jobs} jobs at once on ${cpus().length} cores (load before: ${load}), a line each ${everyMs} ms: age when it arrives`,
  );
  print(["lines", "p50 ms", "p99 ms", "max ms"], [[
    counted.length,
    ...[p50, p99, max].map((ms) => (ms ?? NaN).toFixed(1)),
  ]]);
  return [
    ...(seen === jobs * lines ? [] : [`${seen} lines of ${jobs * lines} came`]),
    ...((p99 ?? NaN) < target.p99Ms
      ? []
      : [`the p99 of a line's age is ${p99?.toFixed(1)} ms, not under ${target.p99Ms}`]),
  ];
}

/** So many submissions at once: all are taken, and none is lost. */
async function manySubmissions(url: string): Promise<string[]> {
  const blockers = streaming.jobs;
  for (let count = 0; count < blockers; count++) await submit(url, "exec sleep 600");
  const begun = performance.now();
  const ids = await Promise.all(Array.from({ length: submissions }, () => submit(url, "true")));
  const ms = performance.now() - begun;
  const listed = await (await fetch(`${url}/jobs`)).json() as { job_id: string; status: string }[];
  const known = new Set(listed.map(({ job_id }) => job_id));
  const lost = ids.filter((id) => !known.has(id)).length;
  console.log(
    `\n${submissions} submissions at once beside ${blockers} jobs that run: ${ms.toFixed(0)} ms, ${lost} lost`,
  );
  return lost === 0 && new Set(ids).size === submissions ? [] : [`of ${submissions} submissions ${lost} were lost`];
}

/** In MB. */
function memoryOf(pid: number): { rss: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { rss: of("VmRSS"), peak: of("VmHWM") };
}

/** Milliseconds of CPU, in steps of 10. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function print(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  for (const row of [head, ...rows]) {
    console.log(row.map((cell, at) => at === 0 ? String(cell).padEnd(42) : String(cell).padStart(16)).join(""));
  }
}
