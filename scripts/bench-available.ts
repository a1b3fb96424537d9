// How long `gpu available` takes over 500 offers, the executable's start and end included: `scripts/bench available [runs]`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { build, executable } from "./build.ts";
import { median } from "./median.ts";

const rows = 500;

interface Contestant {
  readonly name: string;
  readonly argv: readonly string[];
  readonly offers: number;
  readonly isTTY?: boolean;
}

const contestants: readonly Contestant[] = [
  { name: "gpu --version", argv: ["--version"], offers: 0 },
  { name: "gpu available, 1 offer", argv: ["available", "--provider", "lambda"], offers: 1 },
  { name: `gpu available, ${rows} offers`, argv: ["available", "--provider", "lambda"], offers: rows },
  { name: `… as a table`, argv: ["available", "--provider", "lambda", "-n", `${rows}`], offers: rows, isTTY: true },
  { name: `… --json`, argv: ["available", "--provider", "lambda", "--json"], offers: rows },
];

/** Prints the median of each, of one run after the other, and the time that the server itself took. */
export async function available(runs: number): Promise<void> {
  await build();
  const home = mkdtempSync(join(tmpdir(), "gpu-bench-"));
  await using cloud = serveOffers();
  const env = { HOME: home, PATH: process.env.PATH, LAMBDA_API_URL: cloud.url, LAMBDA_API_KEY: "bench-key" };
  try {
    const times: number[][] = contestants.map(() => []);
    for (let round = -1; round < runs; round++) {
      for (const [index, contestant] of contestants.entries()) {
        cloud.offers = contestant.offers;
        const ms = await timeOf(contestant, env);
        // The first round fills caches and is not counted.
        if (round >= 0) times[index]?.push(ms);
      }
    }
    for (const [index, { name }] of contestants.entries()) {
      console.log(name.padEnd(30) + median(times[index] ?? []).toFixed(1).padStart(11) + " ms");
    }
    console.log("one answer of the server".padEnd(30) + median(cloud.tookMs).toFixed(1).padStart(11) + " ms");
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function timeOf(
  { name, argv, offers, isTTY = false }: Contestant,
  env: Record<string, string | undefined>,
): Promise<number> {
  let shown = 0;
  const count = (bytes: Uint8Array) => {
    for (const byte of bytes) if (byte === 10) shown += 1;
  };
  const terminal = { cols: 120, rows: 40, data: (_: unknown, bytes: Uint8Array) => count(bytes) };
  const startedAt = performance.now();
  const child = isTTY
    ? Bun.spawn([executable, ...argv], { env, terminal })
    : Bun.spawn([executable, ...argv], { env, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  if (child.stdout instanceof ReadableStream) { for await (const bytes of child.stdout) count(bytes); }
  const code = await child.exited;
  const ms = performance.now() - startedAt;
  // A terminal's last bytes come after the end of what wrote them.
  for (let waited = 0; isTTY && shown < offers && waited < 100; waited++) await Bun.sleep(1);
  if (code !== 0 || shown < offers) throw new Error(`${name} ended with ${code} after ${shown} lines`);
  return ms;
}

/** Lambda's list of instance types with as many as are asked for. */
function serveOffers() {
  const tookMs: number[] = [];
  const cloud = {
    offers: 1,
    tookMs,
    url: "",
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      const startedAt = performance.now();
      const data = Object.fromEntries(Array.from({ length: cloud.offers }, (_, index) => {
        const entry = offer(index);
        return [entry.instance_type.name, entry];
      }));
      const answer = Response.json({ data });
      if (cloud.offers === rows) tookMs.push(performance.now() - startedAt);
      return answer;
    },
  });
  cloud.url = `http://127.0.0.1:${server.port}`;
  return cloud;
}

const regions = ["us-west-1", "us-west-2", "us-east-1", "us-south-1", "europe-central-1"];

function offer(index: number) {
  const gpus = 2 ** (index % 4);
  return {
    instance_type: {
      name: `gpu_${gpus}x_h100_${index}`,
      description: `${gpus}x H100 (80 GB PCIe)`,
      gpu_description: "H100 (80 GB PCIe)",
      price_cents_per_hour: 100 + index * 7 % 1000,
      specs: { vcpus: 26, memory_gib: 200, storage_gib: 1024, gpus },
    },
    regions_with_capacity_available: regions.slice(0, index % 6).map((name) => ({ name, description: name })),
  };
}
