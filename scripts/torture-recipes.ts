// Every recipe in `recipes/` where everything breaks: `gpu run --chaos 20` with many seeds, on local machines and on an
// emulated cloud. Counts what was left behind: the number is 0.
//   bun scripts/torture-recipes.ts [--seeds 5] [--chaos 20] [--only name] [--gpu executable]
import { spawn } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { root } from "./toolchain.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "5" },
    from: { type: "string", default: "1" },
    chaos: { type: "string", default: "20" },
    only: { type: "string" },
    gpu: { type: "string" },
    /** Seconds until a run is told to end as by Ctrl-C: one that serves never ends by itself. */
    patience: { type: "string", default: "60" },
  },
});

const types: Readonly<Record<string, string>> = { local: "local", lambda: "gpu_1x_a10" };

/** What a recipe needs to have something to do. */
const flagsOf: Readonly<Record<string, (type: string) => readonly string[]>> = {
  "matrix-exec": (type) => ["uname -n", "--rent", type, "--rent", type],
  "serve-model": (type) => ["m", "--type", type, "--dir", "server", "--patience", "20s", "--server", server],
  "sweep": (type) => ["measure.sh", "--type", type, "--type", type],
  "test-on-gpu": () => ["--dir", "project"],
  "train": (type) => ["sh train.sh", "--type", type, "--dir", "project", "--every", "1s", "--hours", "1"],
};

const server = `BUN_BE_BUN=1 exec ${values.gpu ?? process.execPath} run server.ts`;
const files: Readonly<Record<string, string>> = {
  "project/gpu-ci.yaml": "test: echo the tests of a project\n",
  "project/train.sh": "mkdir -p checkpoints; for e in 1 2 3 4; do echo $e | tee checkpoints/$e.pt; sleep 0.5; done\n",
  "measure.sh": "#!/bin/sh\nsleep 1; echo 42 tokens/s\n",
  "server/server.ts":
    "Bun.serve({ hostname: '127.0.0.1', port: Number(process.env.PORT), fetch: () => Response.json({ data: [] }) });",
};

interface Result {
  readonly name: string;
  readonly where: string;
  readonly seed: number;
  readonly exitCode: number | null;
  /** Undefined: the run did not come to say it. */
  readonly left: number | undefined;
  readonly said: string;
}

const gpu = values.gpu === undefined ? [process.execPath, join(root, "src/main.ts")] : [values.gpu];
const recipes = globSync("recipes/*.ts", { cwd: root }).filter((path) => !path.endsWith(".test.ts"))
  .map((path) => basename(path, ".ts")).filter((name) => values.only?.split(",").includes(name) ?? true).sort();
const home = mkdtempSync(join(tmpdir(), "gpu-torture-"));
const results: Result[] = [];
try {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(home, path, ".."), { recursive: true });
    writeFileSync(join(home, path), text);
  }
  for (const name of recipes) {
    for (let seed = Number(values.from); seed < Number(values.from) + Number(values.seeds); seed++) {
      for (const where of ["local", "lambda"]) {
        const result = await torture({ name, seed, where });
        results.push(result);
        const { exitCode, left } = result;
        console.log(`${name.padEnd(16)} ${where.padEnd(7)} seed ${seed}: exit ${exitCode}, ${left ?? "?"} left behind`);
        if (left !== 0 || exitCode === 70) console.log(result.said.replace(/^/gm, "    "));
      }
    }
  }
} finally {
  const state = join(home, ".local/state/gpu/try");
  const folders = existsSync(state) ? readdirSync(state) : [];
  const machines = machinesBelow(home);
  for (const name of folders) {
    console.log(`left: try/${name}: ${readdirSync(join(state, name), { recursive: true }).join(" ").slice(0, 500)}`);
  }
  rmSync(home, { recursive: true, force: true });
  const bad = results.filter(({ left, exitCode }) => left !== 0 || exitCode === 70);
  console.log(
    `${results.length} runs: ${results.reduce((sum, { left }) => sum + (left ?? 0), 0)} instances, ` +
      `${folders.length} folders and ${machines} processes left behind`,
  );
  if (bad.length + folders.length + machines > 0) process.exitCode = 1;
}

async function torture({ name, seed, where }: { name: string; seed: number; where: string }): Promise<Result> {
  const flags = [
    "--chaos",
    values.chaos,
    "--seed",
    `${seed}`,
    "--budget",
    "50",
    ...(where === "lambda" ? ["--emulate", where] : []),
  ];
  const [command = "", ...argv] = [
    ...gpu,
    "run",
    "--no-check",
    ...flags,
    join(root, "recipes", `${name}.ts`),
    ...flagsOf[name]?.(types[where] ?? "") ?? [],
  ];
  const child = spawn(command, argv, {
    cwd: home,
    env: { PATH: process.env.PATH, HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stdout.on("data", (chunk) => said += chunk);
  child.stderr.on("data", (chunk) => said += chunk);
  const ending = setTimeout(() => child.kill("SIGINT"), Number(values.patience) * 1000);
  const exitCode = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(ending);
  const [, left] = /(\d+) left behind/.exec(said) ?? [];
  return { name, where, seed, exitCode, left: left === undefined ? undefined : Number(left), said };
}

/** Processes that still name this home: machines, background processes. */
function machinesBelow(folder: string): number {
  return globSync("/proc/[0-9]*/cmdline").filter((path) => {
    try {
      return readFileSync(path, "utf8").includes(folder);
    } catch {
      return false;
    }
  }).length;
}
