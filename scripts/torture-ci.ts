// Reads a job of 20,000 numbered lines while its connection is cut at random instants and its server is restarted, our
// own after a SIGKILL: every line must come, and none twice. `--only plain` or `ours`; `--seed` repeats the choices.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Count, KillableServer, runOnOurs, runOnPlain } from "../test/fake/ci-cuts.ts";
import { FakeCiServer } from "../test/fake/ci-server.ts";
import { randomFrom } from "./random.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "200" },
    lines: { type: "string", default: "20000" },
    cuts: { type: "string", default: "8" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string" },
  },
});
const runs = Number(values.runs);
const kinds = ["plain", "ours"].filter((kind) => values.only === undefined || values.only === kind);
const run = (random: () => number) => ({ lines: Number(values.lines), cuts: Number(values.cuts), random });

let isStopped = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => isStopped = true);

console.log(`${runs} runs of ${values.lines} lines each, seed ${values.seed}`);
const startedAt = performance.now();
const share = (index: number) => Math.floor((runs + index) / kinds.length);
const counts = await Promise.all(
  kinds.map(async (kind, index) => ({ kind, counts: await (kind === "plain" ? plain : ours)(share(index)) })),
);
report();

async function plain(count: number): Promise<Count[]> {
  await using server = await FakeCiServer.start();
  const random = randomFrom(Number(values.seed));
  return await repeat(count, () => runOnPlain(server, run(random)));
}

async function ours(count: number): Promise<Count[]> {
  const folder = mkdtempSync(join(tmpdir(), "gpu-torture-ci-"));
  const random = randomFrom(Number(values.seed) + 1);
  try {
    await using server = await KillableServer.start(folder);
    return await repeat(count, (index) => runOnOurs(server, join(folder, `project-${index}`), run(random)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function repeat(count: number, once: (index: number) => Promise<Count>): Promise<Count[]> {
  const all: Count[] = [];
  for (let index = 0; index < count && !isStopped; index++) all.push(await once(index));
  return all;
}

function report(): void {
  const rows: [string, (count: Count) => number][] = [
    ["runs", () => 1],
    ["cuts and restarts", ({ cuts }) => cuts],
    ["lines lost", ({ lost }) => lost],
    ["lines doubled", ({ doubled }) => doubled],
    ["wrong results", ({ success }) => (success ? 0 : 1)],
  ];
  const sums = rows.map(([name, pick]) => ({
    name,
    numbers: counts.map(({ counts }) => counts.reduce((sum, count) => sum + pick(count), 0)),
  }));
  console.log(`${"".padEnd(18)} ${kinds.map((kind) => kind.padStart(8)).join(" ")}`);
  for (const { name, numbers } of sums) {
    console.log(`${name.padEnd(18)} ${numbers.map((number) => String(number).padStart(8)).join(" ")}`);
  }
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  const isClean = sums.slice(2).every(({ numbers }) => numbers.every((number) => number === 0));
  process.exitCode = isClean && !isStopped ? 0 : 1;
}
