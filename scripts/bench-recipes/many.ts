// Two hundred steps at once on twenty local machines: how much memory `gpu run` takes, and whether every line is whole.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { build, executable } from "../build.ts";

const machines = 20;
const steps = 200;
const linesEach = 20;
const mostMegabytes = 200;

const recipe = `import { gpu, parallel, recipe } from "gpu";

export default recipe({
  summary: "Run many steps on many machines",
  budget: 0,
  async run() {
    await using stack = new AsyncDisposableStack();
    const boxes = await parallel(Array.from({ length: ${machines} }, (_, number) => number), async (number) =>
      stack.use(await gpu.start({ hours: 0.25 }, { label: \`machine \${number}\` })), { limit: 4 });
    console.log("started");
    await parallel(Array.from({ length: ${steps} }, (_, step) => step), async (step) => {
      const box = boxes[step % ${machines}];
      if (box === undefined) return;
      // Each line in two halves: what is printed before it is whole would be torn.
      await box.$\`i=0; while [ $i -lt ${linesEach} ]; do printf 'step %d line %d begins, ' \${step} $i; sleep 0.02; printf 'and ends\\n'; i=$((i+1)); done\`;
    });
  },
});
`;

/** `scripts/bench recipes many [executable]`. Throws where a target is not met. */
export default async function many([file]: readonly string[]): Promise<void> {
  if (file === undefined) await build();
  const folder = mkdtempSync(join(tmpdir(), "gpu-many-"));
  try {
    const path = join(folder, "many.ts");
    writeFileSync(path, recipe);
    const { code, text, peakMegabytes, seconds } = await watch([file ?? executable, "run", path], {
      HOME: folder,
      PATH: process.env.PATH,
    });
    if (code !== 0) throw new Error(`gpu run ended with ${code}: ${text.slice(-2000)}`);
    const lines = text.split("\n").filter((line) => /begins|and ends/.test(line));
    const whole = lines.filter((line) => /step \d+ line \d+ begins, and ends$/.test(line));
    console.log(`steps             ${steps} on ${machines} machines, ${seconds.toFixed(1)} s`);
    console.log(`memory            ${peakMegabytes.toFixed(0)} MB at most (target: under ${mostMegabytes})`);
    console.log(`lines             ${whole.length} whole of ${lines.length}, of ${steps * linesEach} printed`);
    if (whole.length !== steps * linesEach || lines.length !== whole.length) {
      throw new Error("lines are torn or missing");
    }
    if (peakMegabytes > mostMegabytes) throw new Error("it takes too much memory");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Watched {
  readonly code: number | null;
  readonly text: string;
  /** The most that was resident at a time, as Linux counts it. */
  readonly peakMegabytes: number;
  readonly seconds: number;
}

async function watch(
  [command = "", ...argv]: readonly string[],
  env: Record<string, string | undefined>,
): Promise<Watched> {
  const startedAt = performance.now();
  const child = spawn(command, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let peakMegabytes = 0;
  const hear = (chunk: Uint8Array) => {
    text += Buffer.from(chunk).toString();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const look = setInterval(() => {
    peakMegabytes = Math.max(peakMegabytes, residentMegabytes(child.pid));
  }, 50);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearInterval(look);
  return { code, text, peakMegabytes, seconds: (performance.now() - startedAt) / 1000 };
}

function residentMegabytes(pid: number | undefined): number {
  try {
    const [, kilobytes = "0"] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kilobytes) / 1024;
  } catch {
    return 0;
  }
}
