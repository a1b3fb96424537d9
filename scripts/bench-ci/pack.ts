// Packing a project beside Info-ZIP and git: `scripts/bench ci pack [rounds]`. Then 2 GB of it, for the memory it takes.
import { globSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { build, executable } from "../build.ts";
import { median } from "../median.ts";
import { root } from "../toolchain.ts";

interface Packer {
  readonly name: string;
  readonly command: readonly string[];
  readonly archive: string;
}

interface Run {
  readonly ms: number;
  readonly cpuMs: number;
  readonly bytes: number;
}

const project = { files: 2_000, bytes: 100e6 };
const target = { timesFaster: 4, largeMB: 150 };

export default async function pack([rounds = "5"]: readonly string[]): Promise<void> {
  const missing = ["zip", "git"].filter((program) => Bun.which(program) === null);
  if (missing.length > 0) throw new Error(`there is no ${missing.join(" and no ")} here to compare with`);
  await build();
  const folder = mkdtempSync(join(tmpdir(), "gpu-bench-pack-"));
  try {
    const dir = makeProject(join(folder, "project"));
    makeRepository(dir);
    const packers = packersFor(dir, folder);
    const runs = packers.map((): Run[] => []);
    for (let round = -1; round < Number(rounds); round++) {
      for (const [index, packer] of packers.entries()) {
        const run = measure(packer, dir);
        // The first round fills caches and is not counted.
        if (round >= 0) runs[index]?.push(run);
      }
    }
    const problems = [...report(packers, runs), ...await reportLarge(folder, dir)];
    if (problems.length > 0) throw new Error(problems.join("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** So many files of source text, from the packages that are installed here; files are packed one by one, so some may be alike. */
function makeProject(dir: string): string {
  const wanted = project.bytes / project.files;
  const sources = globSync("node_modules/**/*.{js,ts,mjs,cjs,md}", { cwd: root })
    .map((name) => join(root, name))
    .filter((path) => !path.includes(".min.") && isBetween(statSync(path).size, wanted / 4, wanted * 8))
    .toSorted();
  for (let count = 0, bytes = 0; count < project.files; count++) {
    // Large and small ones in turn keep the sum on its way.
    const isShort = bytes < count * wanted;
    let source = sources[count % sources.length] ?? "";
    for (let step = 1; step < sources.length && (statSync(source).size > wanted) !== isShort; step++) {
      source = sources[(count + step) % sources.length] ?? "";
    }
    const path = join(dir, `part${count % 40}`, `source${count}.ts`);
    mkdirSync(join(path, ".."), { recursive: true });
    const content = readFileSync(source);
    writeFileSync(path, content);
    bytes += content.length;
  }
  return dir;
}

function isBetween(value: number, low: number, high: number): boolean {
  return value >= low && value <= high;
}

function makeRepository(dir: string): void {
  for (const words of [["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]]) {
    const { exitCode, stderr } = Bun.spawnSync(["git", "-c", "user.name=b", "-c", "user.email=b@localhost", ...words], {
      cwd: dir,
    });
    if (exitCode !== 0) throw new Error(`git ${words[0]} failed: ${stderr}`);
  }
}

function packersFor(dir: string, folder: string): Packer[] {
  const archive = (name: string) => join(folder, `${name}.zip`);
  return [
    {
      name: "gpu ci pack",
      command: [executable, "ci", "pack", "--dir", dir, "--output", archive("gpu")],
      archive: archive("gpu"),
    },
    { name: "zip -r", command: ["zip", "-qr", archive("zip"), ".", "-x", ".git/*"], archive: archive("zip") },
    {
      name: "git archive",
      command: ["git", "archive", "--format=zip", "--output", archive("git"), "HEAD"],
      archive: archive("git"),
    },
  ];
}

function measure({ name, command, archive }: Packer, cwd: string): Run {
  rmSync(archive, { force: true });
  const startedAt = performance.now();
  const { exitCode, stderr, resourceUsage } = Bun.spawnSync([...command], {
    cwd,
    env: { HOME: cwd, PATH: Bun.env.PATH },
  });
  const ms = performance.now() - startedAt;
  if (exitCode !== 0) throw new Error(`${name} ended with ${exitCode}: ${stderr}`);
  return { ms, cpuMs: Number(resourceUsage.cpuTime.total) / 1000, bytes: statSync(archive).size };
}

function report(packers: readonly Packer[], runs: readonly Run[][]): string[] {
  const of = (pick: (run: Run) => number) => runs.map((own) => median(own.map(pick)));
  const [ms, cpuMs, bytes] = [of((run) => run.ms), of((run) => run.cpuMs), of((run) => run.bytes)];
  console.log(`${project.files} files, ${project.bytes / 1e6} MB, ${availableParallelism()} cores`);
  console.log(`${"".padEnd(14)}${["median s", "CPU s", "MB", "× gpu"].map((word) => word.padStart(10)).join("")}`);
  for (const [index, { name }] of packers.entries()) {
    const figures = [ms[index] ?? NaN, cpuMs[index] ?? NaN].map((value) => (value / 1000).toFixed(2));
    const size = ((bytes[index] ?? NaN) / 1e6).toFixed(2);
    const ratio = ((ms[index] ?? NaN) / (ms[0] ?? NaN)).toFixed(1);
    console.log(`${name.padEnd(14)}${[...figures, size, ratio].map((figure) => figure.padStart(10)).join("")}`);
  }
  return packers.slice(1).flatMap(({ name }, index) => {
    const times = (ms[index + 1] ?? NaN) / (ms[0] ?? NaN);
    return [
      ...(times >= target.timesFaster
        ? []
        : [`${name} takes ${times.toFixed(1)} times as long, not ${target.timesFaster}`]),
      ...((bytes[0] ?? NaN) <= (bytes[index + 1] ?? NaN) ? [] : [`the archive of ${name} is smaller`]),
    ];
  });
}

/** The most memory that packing 2 GB takes: half of it many files, half of it one. */
async function reportLarge(folder: string, dir: string): Promise<string[]> {
  const large = join(folder, "large");
  mkdirSync(large);
  const all = Buffer.concat(globSync("**/*.ts", { cwd: dir }).map((name) => readFileSync(join(dir, name))));
  writeFileSync(join(folder, "many"), all.subarray(0, 1e6));
  for (let count = 0; count < 1000; count++) linkSync(join(folder, "many"), join(large, `file${count}`));
  const one = Bun.file(join(large, "one")).writer();
  for (let bytes = 0; bytes < 1e9; bytes += all.length) one.write(all);
  await one.end();
  const child = Bun.spawn(
    [executable, "ci", "pack", "--dir", large, "--output", join(folder, "large.zip"), "--quiet"],
    {
      env: { HOME: folder, PATH: Bun.env.PATH },
      stdout: "ignore",
    },
  );
  let megabytes = NaN;
  while (child.exitCode === null) {
    megabytes = peakMegabytes(child.pid) ?? megabytes;
    await Bun.sleep(100);
  }
  if (child.exitCode !== 0) throw new Error(`gpu ci pack ended with ${child.exitCode}`);
  console.log(`2 GB: ${megabytes.toFixed(0)} MB of memory`);
  // Elsewhere than on Linux nobody tells.
  return !(megabytes >= target.largeMB)
    ? []
    : [`packing 2 GB takes ${megabytes.toFixed(0)} MB, not less than ${target.largeMB}`];
}

/** Of a living process, on Linux. What a process says of itself at its end counts what it was forked from. */
function peakMegabytes(pid: number): number | undefined {
  try {
    const kB = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kB === undefined ? undefined : Number(kB) / 1e3;
  } catch {
    return undefined;
  }
}
