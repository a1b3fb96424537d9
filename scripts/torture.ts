// Kills gpu with SIGKILL at random instants of the main job and counts what it leaves behind: instances left, double
// launches and open journal rows must be 0. `--seed` repeats the choices; the instants are still those of a clock.
import process from "node:process";
import { parseArgs } from "node:util";
import { build } from "./build.ts";
import { randomFrom } from "./random.ts";
import { type Plan, type Tally, TortureHome } from "./torture-home.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "500" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    homes: { type: "string", default: "6" },
    only: { type: "string" },
  },
});
const runs = Number(values.runs);
const homeCount = Math.min(Number(values.homes), runs);
const plans: readonly Plan[] = values.only === "local" || values.only === "lambda"
  ? [values.only]
  : ["lambda", "local"];

/** Each plan gets as many runs as the others, however many homes it has: first those that take longest. */
const planOf = (index: number): Plan => plans[index % plans.length] ?? "local";
const homePlans = Array.from({ length: homeCount }, (_, index) => planOf(index));
const shareOf = (index: number) => 1 / homePlans.filter((plan) => plan === planOf(index)).length;
const upTo = (index: number) => {
  const sum = (from: readonly number[]) => from.reduce((total, each) => total + shareOf(each), 0);
  const all = [...homePlans.keys()];
  return Math.round(runs * sum(all.slice(0, index)) / sum(all));
};

const controller = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => controller.abort());

await build();
console.log(`${runs} runs in ${homeCount} homes, seed ${values.seed}`);
const startedAt = performance.now();
const tallies = await Promise.all(Array.from({ length: homeCount }, (_, index) => work(index)));
report(tallies);

async function work(index: number): Promise<{ plan: Plan; tally: Tally }> {
  const plan = planOf(index);
  const count = upTo(index + 1) - upTo(index);
  await using home = new TortureHome({ plan, random: randomFrom(Number(values.seed) * 1000 + index) });
  await home.open();
  for (let run = 0; run < count && !controller.signal.aborted; run++) await home.run();
  await home.finish();
  return { plan, tally: home.tally };
}

function report(all: readonly { plan: Plan; tally: Tally }[]): void {
  const sum = (pick: (tally: Tally) => number, plan?: Plan) =>
    all.filter((one) => plan === undefined || one.plan === plan).reduce((total, { tally }) => total + pick(tally), 0);
  const rows: [string, (tally: Tally) => number][] = [
    ["runs", (tally) => tally.runs],
    ["killed", (tally) => tally.killed],
    ["reapers killed", (tally) => tally.reapersKilled],
    ["instances made", (tally) => tally.made],
    ["instances left", (tally) => tally.left],
    ["double launches", (tally) => tally.doubles],
    ["open journal rows", (tally) => tally.openRows],
  ];
  console.log(`${"".padEnd(18)} ${"local".padStart(7)} ${"lambda".padStart(7)} ${"total".padStart(7)}`);
  for (const [name, pick] of rows) {
    const numbers = [sum(pick, "local"), sum(pick, "lambda"), sum(pick)];
    console.log(`${name.padEnd(18)} ${numbers.map((number) => String(number).padStart(7)).join(" ")}`);
  }
  const reaped = all.flatMap(({ tally }) => tally.reaped).toSorted((a, b) => a - b);
  if (reaped.length > 0) {
    const at = (share: number) =>
      Math.round(reaped[Math.min(reaped.length - 1, Math.floor(reaped.length * share))] ?? 0);
    console.log(
      `reaper alone, from SIGKILL until nothing is left: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, most ${at(1)} ms`,
    );
  }
  for (const complaint of all.flatMap(({ tally }) => tally.complaints)) console.log(complaint.trimEnd());
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  const isClean = sum((tally) => tally.left + tally.doubles + tally.openRows + tally.complaints.length) === 0;
  process.exitCode = isClean && !controller.signal.aborted ? 0 : 1;
}
