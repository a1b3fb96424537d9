import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunningOnTerminal } from "../binary/compiled.ts";
import { openEmulator } from "../interop/lambda-emulator.ts";

// A person at a real terminal, and a cloud that counts what was launched.
setDefaultTimeout(60_000);

let root: string;
let emulated: Awaited<ReturnType<typeof openEmulator>>;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "gpu-asked-"));
  mkdirSync(join(root, "work"));
  emulated = await openEmulator();
  writeFileSync(
    join(root, "work/two.ts"),
    `import { gpu, parallel, recipe } from "gpu";
const rented: string[] = [];
export default recipe({
  summary: "Rent two",
  async run() {
    rented.push("begun");
    await parallel([1, 2], async (hours) => {
      await using box = await gpu.start({ type: "gpu_1x_a10", hours });
      await box.$\`true\`;
      rented.push("rented");
    });
    return rented.join(" ");
  },
});
`,
  );
});

afterEach(async () => {
  while (existsSync(join(root, ".local/state/gpu/background.sock"))) await Bun.sleep(20);
  await emulated[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true, maxRetries: 3 });
});

function gpu(...argv: readonly string[]): RunningOnTerminal {
  const { url, key } = emulated.emulator;
  return new RunningOnTerminal([process.execPath, join(import.meta.dir, "../../src/main.ts"), ...argv], {
    cwd: join(root, "work"),
    env: {
      ...{ PATH: process.env.PATH ?? "", HOME: root, TERM: "xterm" },
      ...{ LAMBDA_API_URL: url, LAMBDA_API_KEY: key, GPU_PROVIDER: "lambda" },
    },
  });
}

const launches = () => emulated.seen.filter(({ path }) => path.includes("launch")).length;

test("a run without a budget shows what all of it would rent, and asks once; then it runs", async () => {
  const run = gpu("run", "--no-check", "--no-color", "two.ts");
  await run.shows("The run has no budget. Spend up to $2.25?");
  expect(run.shown).toContain("rent gpu_1x_a10 in us-west-1 for 1 h at $0.75/h");
  expect(run.shown).toContain("rent gpu_1x_a10 in us-west-1 for 2 h at $0.75/h");
  expect(run.shown).toContain("it would cost at most $2.25");
  expect(launches()).toBe(0);
  run.type("y");
  expect(await run.ended()).toEqual({ code: 0, signal: null });
  expect(launches()).toBe(2);
  expect(run.shown).not.toContain("Go on?");
  // The plan was made elsewhere: what the recipe remembers is what this run did.
  expect(run.shown).toContain("begun rented rented");
});

test.each([["n", "n", 1], ["Enter", "\r", 1], ["Ctrl-C", "\x03", 130]] as const)(
  "%s rents nothing",
  async (_, keys, code) => {
    const run = gpu("run", "--no-check", "two.ts");
    await run.shows("Spend up to $2.25?");
    run.type(keys);
    expect(await run.ended()).toEqual({ code, signal: null });
    expect(launches()).toBe(0);
  },
);

test("what a budget covers is not asked for", async () => {
  const run = gpu("run", "--no-check", "two.ts", "--budget", "4");
  expect(await run.ended()).toEqual({ code: 0, signal: null });
  expect(run.shown).not.toContain("Spend up to");
  expect(launches()).toBe(2);
});
