// How long a script that says hello takes: `gpu run` with its check of types, beside zx, tsx and deno, which check none.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { build, executable } from "../build.ts";
import { median } from "../median.ts";
import { denoPath, root } from "../toolchain.ts";

interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  /** Done before each run and not timed. */
  readonly before?: () => void;
}

/** What people would take for the same job, as npm has it. */
const peers = { zx: "8.8.5", tsx: "4.23.15" } as const;

/** The same script for each. */
const scripts = {
  "hello.mjs": 'console.log(`Hello, ${argv._[0] ?? "world"}`);\n',
  "hello.ts": 'const name: string = process.argv[2] ?? "world";\nconsole.log(`Hello, ${name}`);\n',
  "deno.ts": 'const name: string = Deno.args[0] ?? "world";\nconsole.log(`Hello, ${name}`);\n',
} as const;

/** `scripts/bench recipes start [runs]`. */
export default async function start([runs = "20"]: readonly string[]): Promise<void> {
  await build();
  const folder = mkdtempSync(join(tmpdir(), "gpu-bench-"));
  const home = join(folder, "home");
  try {
    mkdirSync(home);
    for (const [name, text] of Object.entries(scripts)) writeFileSync(join(folder, name), text);
    const bin = join(installPeers(), ".bin");
    const cache = join(home, ".cache/gpu");
    const gpu = [executable, "run", join(root, "recipes/hello.ts")];
    const script = [executable, "run", "hello.ts"];
    const env = { HOME: home, PATH: process.env.PATH };
    const contestants: Contestant[] = [
      { name: "gpu run hello.ts", command: gpu },
      { name: "… for the first time", command: gpu, before: () => forgetVerdicts(cache) },
      {
        name: "… for the first time here",
        command: gpu,
        before: () => rmSync(cache, { recursive: true, force: true }),
      },
      { name: "gpu run --no-check hello.ts", command: [...gpu.slice(0, 2), "--no-check", ...gpu.slice(2)] },
      { name: "gpu run script.ts", command: script, before: () => runOnce(script, { env, cwd: folder }) },
      { name: "gpu --version", command: [executable, "--version"] },
      { name: "zx hello.mjs", command: [join(bin, "zx"), "hello.mjs"] },
      { name: "tsx hello.ts", command: [join(bin, "tsx"), "hello.ts"] },
      { name: "npx tsx hello.ts", command: ["npx", "--prefix", join(bin, "../.."), "tsx", "hello.ts"] },
      { name: "deno run hello.ts", command: [denoPath(), "run", "deno.ts"] },
    ];
    print(contestants, measure(contestants, { runs: Number(runs), env, cwd: folder }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Installs the peers into .toolchain, once, and returns their node_modules. */
function installPeers(): string {
  const folder = join(root, ".toolchain/bench-recipes");
  const modules = join(folder, "node_modules");
  const manifest = JSON.stringify({ private: true, dependencies: peers });
  if (existsSync(modules)) return modules;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), manifest);
  const { status } = spawnSync(process.execPath, ["install"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error("installing zx and tsx failed");
  return modules;
}

/** Its types are checked from then on. */
function runOnce([file = "", ...argv]: readonly string[], options: { env: NodeJS.ProcessEnv; cwd: string }): void {
  spawnSync(file, argv, options);
}

/** As for a recipe that was never run, by somebody who has run another one. */
function forgetVerdicts(cache: string): void {
  const types = join(cache, "types");
  for (const version of existsSync(types) ? readdirSync(types) : []) {
    rmSync(join(types, version, "verdicts"), { recursive: true, force: true });
    rmSync(join(types, version, "projects"), { recursive: true, force: true });
  }
}

interface Measuring {
  readonly runs: number;
  readonly env: Record<string, string | undefined>;
  readonly cwd: string;
}

/** Milliseconds of each run, one of every contestant after the other, so that a busy moment meets all of them. */
function measure(contestants: readonly Contestant[], { runs, env, cwd }: Measuring): number[][] {
  const times: number[][] = contestants.map(() => []);
  for (let round = -1; round < runs; round++) {
    for (const [index, { name, command: [file = "", ...argv], before }] of contestants.entries()) {
      before?.();
      const startedAt = performance.now();
      const { status, stderr } = spawnSync(file, argv, { cwd, env, encoding: "utf8" });
      const elapsed = performance.now() - startedAt;
      if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
      // The first round fills caches and is not counted.
      if (round >= 0) times[index]?.push(elapsed);
    }
  }
  return times;
}

function print(contestants: readonly Contestant[], times: readonly number[][]): void {
  const ours = median(times[0] ?? []);
  const rows = contestants.map(({ name }, index) => {
    const all = times[index] ?? [];
    return [name, median(all).toFixed(1), Math.min(...all).toFixed(1), (median(all) / ours).toFixed(2)];
  });
  for (const [what = "", ...figures] of [["", "median ms", "best ms", "× gpu run"], ...rows]) {
    console.log(what.padEnd(30) + figures.map((figure) => figure.padStart(11)).join(""));
  }
}
