import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../../command.ts";
import { childEnvironment, environmentVariables } from "../../env.ts";
import { GpuError } from "../../errors.ts";
import type { World } from "../../world.ts";
import { testSupport } from "./test-support.ts";

export interface TestRunOptions {
  /** Absolute paths of test files. */
  readonly files: readonly string[];
  /** Only tests whose names match it. */
  readonly filter: string | undefined;
  readonly isWatching: boolean;
}

export interface TestRun {
  readonly exitCode: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A test that rents may take a while. */
const testTimeoutMs = 60_000;

/** Runs test files in this executable, started as Bun, with a home of their own. What they print goes to stderr. */
export async function runTests(options: TestRunOptions, { world, signal, around }: Context): Promise<TestRun> {
  const home = await mkdtemp(join(tmpdir(), "gpu-test-"));
  try {
    const report = join(home, "report.xml");
    const config = join(home, "bunfig.toml");
    await writeFile(config, "");
    await mkdir(join(home, "home"));
    const preload = await testSupport(world);
    let exitCode = 1;
    await around(async () => {
      exitCode = await runBun(commandOf(options, { preload, config, report }), { world, home, signal });
    });
    signal.throwIfAborted();
    const said = await readFile(report, "utf8").catch(() => "");
    if (exitCode === 0 && said === "" && !options.isWatching) {
      throw new GpuError("a test ended the process of all tests, so nobody knows how the others went", {
        hint: "`process.exit(…)` belongs into the recipe: `testRecipe` says what it exits with",
      });
    }
    return { exitCode, ...countsOf(said) };
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  }
}

function commandOf(
  { files, filter, isWatching }: TestRunOptions,
  { preload, config, report }: { preload: string; config: string; report: string },
): string[] {
  return [
    ...(isWatching ? ["--watch"] : []),
    "test",
    // A bunfig.toml in somebody's folder may run code first; a `.env` may hold keys.
    ...[`--config=${config}`, "--no-env-file", "--preload", preload, `--timeout=${testTimeoutMs}`],
    ...(isWatching ? [] : ["--reporter=junit", `--reporter-outfile=${report}`]),
    ...(filter === undefined ? [] : ["--test-name-pattern", filter]),
    ...files,
  ];
}

/** Bun's first line names Bun: who tests a recipe need not know what runs the tests. */
async function* withoutHeader(stream: AsyncIterable<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  let begun = Buffer.alloc(0);
  let isBehind = false;
  for await (const chunk of stream ?? []) {
    if (isBehind) {
      yield chunk;
      continue;
    }
    begun = Buffer.concat([begun, chunk]);
    const end = begun.indexOf("\n");
    if (end < 0) continue;
    isBehind = true;
    yield begun.subarray(begun.toString("latin1").startsWith("bun test v") ? end + 1 : 0);
  }
  if (!isBehind) yield begun;
}

async function runBun(
  args: readonly string[],
  { world, home, signal }: { world: World; home: string; signal: AbortSignal },
): Promise<number> {
  const child = world.spawn([world.self[0] ?? "", ...args], {
    cwd: world.cwd,
    env: environmentOf(world, home),
    stdin: "inherit",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { stderr } = world.terminal;
  const pass = async (stream: AsyncIterable<Uint8Array> | null) => {
    for await (const chunk of stream ?? []) if (chunk.length > 0) await stderr.write(chunk);
  };
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  try {
    const ended = new Promise<number>((resolve, reject) => {
      child.once("error", (cause) => reject(new GpuError("the tests could not be started", { cause })));
      child.once("close", (code) => resolve(code ?? 1));
    });
    const [exitCode] = await Promise.all([ended, pass(withoutHeader(child.stdout)), pass(child.stderr)]);
    return exitCode;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** Names of what opens accounts: `HF_TOKEN`, `AWS_SECRET_ACCESS_KEY`, `SLACK_WEBHOOK_URL`, `SSH_AUTH_SOCK`. */
const secretName = /(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSW(?:OR)?D|CREDENTIALS?|WEBHOOK_URL|AUTH_SOCK)$/i;

/** The user's environment without home, folders, keys, and settings of `gpu`. */
function environmentOf(world: World, home: string): World["env"] {
  const ours = [
    ...Object.keys(environmentVariables).filter((name) => /^(GPU|LAMBDA|CI|XDG|SSH)_/.test(name)),
    ...Object.keys(world.env).filter((name) => secretName.test(name)),
  ];
  const { stderr } = world.terminal;
  const isColored = stderr.isTTY && !world.env.NO_COLOR;
  return childEnvironment(world.env, {
    ...Object.fromEntries(ours.map((name) => [name, undefined])),
    ...{ HOME: join(home, "home"), USERPROFILE: join(home, "home"), LOCALAPPDATA: undefined, APPDATA: undefined },
    // Sockets of machines are below it, and their paths are short.
    XDG_STATE_HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    // What is made once for this executable, and holds nothing of anybody's.
    XDG_CACHE_HOME: join(world.folders.cache, "tests"),
    GPU_TEST_SELF: JSON.stringify(world.self),
    BUN_BE_BUN: "1",
    ...(isColored ? { FORCE_COLOR: "1" } : { NO_COLOR: "1", FORCE_COLOR: undefined }),
  });
}

/** What the report says of all files: `<testsuites … tests="3" … failures="1" skipped="0" …>`. */
function countsOf(report: string): Pick<TestRun, "passed" | "failed" | "skipped"> {
  const [head = ""] = /<testsuites [^>]*>/.exec(report) ?? [];
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const [failed, skipped] = [number("failures"), number("skipped")];
  return { passed: Math.max(0, number("tests") - failed - skipped), failed, skipped };
}
