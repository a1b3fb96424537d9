// How long things take beside their peers, measured in one run: `scripts/bench startup [runs]`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { available } from "./bench-available.ts";
import { ci } from "./bench-ci.ts";
import { recipes } from "./bench-recipes.ts";
import { ssh } from "./bench-ssh.ts";
import { build, compile, executable } from "./build.ts";
import { median } from "./median.ts";
import { root } from "./toolchain.ts";

interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  /** Done before each run and not timed. */
  readonly before?: () => void;
}

const benchmarks: Readonly<Record<string, (runs: number) => Promise<void>>> = {
  startup,
  available,
  ssh: () => ssh(process.argv.slice(3)),
  ci: () => ci(process.argv.slice(3)),
  recipes: () => recipes(process.argv.slice(3)),
};
const [name = "", runs = "30"] = process.argv.slice(2);
const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (benchmark) {
  await benchmark(Number(runs));
} else {
  console.error(`usage: scripts/bench <${Object.keys(benchmarks).join("|")}> [runs]`);
  process.exitCode = 2;
}

/** Time from start to exit of commands that do little. */
async function startup(runs: number): Promise<void> {
  await build();
  const home = mkdtempSync(join(tmpdir(), "gpu-bench-"));
  const environment = { HOME: home, PATH: process.env.PATH };
  const gpu = (...argv: string[]) => spawnSync(executable, argv, { cwd: root, env: environment, encoding: "utf8" });
  try {
    const started = gpu("start", "--hours", "0.5");
    if (started.status !== 0) throw new Error(`gpu start failed: ${started.stderr}`);
    const contestants: Contestant[] = [
      { name: "empty executable", command: [await emptyExecutable(home)] },
      { name: "gpu --version", command: [executable, "--version"] },
      { name: "gpu --help", command: [executable, "--help"] },
      { name: "gpu status", command: [executable, "status"] },
      { name: "gpu run hello.ts", command: [executable, "run", "recipes/hello.ts"] },
      {
        name: "gpu run hello.ts, first time",
        command: [executable, "run", "recipes/hello.ts"],
        before: () => rmSync(join(home, ".cache"), { recursive: true, force: true }),
      },
      ...peers(),
    ];
    print(contestants, measure(contestants, { runs, environment }));
  } finally {
    gpu("stop", "--all", "--yes");
    rmSync(home, { recursive: true, force: true });
  }
}

/** What any executable of Bun needs: nothing can be faster. */
async function emptyExecutable(folder: string): Promise<string> {
  const source = join(folder, "empty.ts");
  writeFileSync(source, "");
  const outfile = join(root, "dist/empty");
  await compile({ entrypoints: [source], outfile });
  return outfile;
}

function peers(): Contestant[] {
  const gh = Bun.which("gh");
  // The interpreter itself: a version manager's launcher in front of it would be measured too.
  const python = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
  return [
    ...(gh ? [{ name: "gh --version", command: [gh, "--version"] }] : []),
    ...(python.status === 0 ? [{ name: "python3 -c pass", command: [python.stdout.trim(), "-c", "pass"] }] : []),
  ];
}

/** Milliseconds of each run, one of every contestant after the other, so that a busy moment meets all of them. */
function measure(
  contestants: readonly Contestant[],
  { runs, environment }: { runs: number; environment: Record<string, string | undefined> },
): number[][] {
  const times: number[][] = contestants.map(() => []);
  for (let round = -1; round < runs; round++) {
    for (const [index, { name, command: [file = "", ...argv], before }] of contestants.entries()) {
      before?.();
      const startedAt = performance.now();
      const { status, stderr } = spawnSync(file, argv, { cwd: root, env: environment, encoding: "utf8" });
      const elapsed = performance.now() - startedAt;
      if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
      // The first round fills caches and is not counted.
      if (round >= 0) times[index]?.push(elapsed);
    }
  }
  return times;
}

function print(contestants: readonly Contestant[], times: readonly number[][]): void {
  const medians = times.map(median);
  const ofEmpty = medians[0] ?? NaN;
  const ofGh = medians[contestants.findIndex(({ name }) => name === "gh --version")];
  const rows = contestants.map(({ name }, index) => {
    const ms = medians[index] ?? NaN;
    return [name, ms.toFixed(1), (ms / ofEmpty).toFixed(1), ofGh ? (ms / ofGh).toFixed(2) : "-"];
  });
  const table = [["", "median ms", "× empty", "× gh"], ...rows];
  for (const [what = "", ...figures] of table) {
    console.log(what.padEnd(30) + figures.map((figure) => figure.padStart(11)).join(""));
  }
}
