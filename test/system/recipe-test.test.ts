import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildTypes } from "../../scripts/types.ts";
import { runApp } from "../../src/app.ts";
import { commands } from "../../src/commands.ts";
import { outside } from "../../src/outside.ts";
import { testRecipe } from "../../src/recipe/module.ts";
import { createRecipe } from "../../src/recipe/library/create.ts";
import { TestClock } from "../../src/recipe/rehearse/test-clock.ts";
import { recipe } from "../../src/recipe/define.ts";
import { fakeTerminal } from "../fake/terminal.ts";

let folder: string;
const cache = mkdtempSync(join(tmpdir(), "gpu-test-cache-"));

beforeAll(async () => void await buildTypes(), 240_000);
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gpu-tests-")));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

async function gpu(argv: readonly string[], env: Record<string, string> = {}) {
  const terminal = fakeTerminal();
  const exitCode = await runApp(["recipe", "test", ...argv], {
    world: {
      ...outside(process, { onClosedPipe() {} }),
      env: { PATH: process.env.PATH, HOME: folder, ...env },
      cwd: folder,
      home: folder,
      folders: { config: join(folder, "config"), state: join(folder, "state"), cache },
      self: [process.execPath, join(import.meta.dir, "../../src/main.ts")],
      terminal,
    },
    signal: new AbortController().signal,
    version: "0.0.0",
    entries: commands,
  });
  const said = terminal.takeLines().map((line) => line.replace(/^2\| ?/, "")).join("\n");
  return { exitCode, said, stdout: terminal.takeStdout() };
}

test.each(["minimal", "test-on-gpu", "matrix-exec", "sweep"])(
  "the test that comes with the template %s passes",
  async (template) => {
    const world = { cwd: folder };
    await createRecipe({ name: "mine", dir: ".", template }, world);
    const { exitCode, said } = await gpu(["mine.ts"]);
    expect({ exitCode, said }).toMatchObject({ exitCode: 0, said: expect.stringContaining(" 1 pass\n 0 fail\n") });
  },
  60_000,
);

test("an error of a recipe is shown with the recipe's lines, and none of gpu's own", async () => {
  write({
    "lost.ts": `import { gpu, recipe } from "gpu";
export default recipe({
  summary: "Lost",
  async run() {
    await gpu.ci.check({ dir: "nowhere" });
  },
});
`,
    "lost.test.ts": `${head}import lost from "./lost.ts";
test("is not found", async () => expect((await testRecipe(lost)).error).toBeUndefined());
`,
  });
  const { exitCode, said } = await gpu(["lost.ts"]);
  expect(exitCode).toBe(1);
  expect(said).toContain("there is no folder `nowhere`\n    at lost.ts:5:");
  expect(said).not.toContain("test-support");
  expect(said).not.toContain("/src/");
}, 60_000);

const head = 'import { expect, test } from "bun:test";\nimport { TestClock, testRecipe } from "gpu";\n';
const rent = `import { gpu, recipe, sleep, z } from "gpu";
export default recipe({
  summary: "Rent one and wait",
  budget: 2,
  input: z.object({ minutes: z.number().default(0), fails: z.boolean().default(false) }),
  async run({ minutes, fails }) {
    await using box = await gpu.start({ hours: 0.5 });
    await sleep(minutes * 60_000);
    if (fails) throw new Error("as it was asked to");
    return { says: await box.exec("echo hello").text() };
  },
});
`;

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("gpu recipe test", () => {
  test("gives no key of the user's to a test, and hears of one that ends the process", async () => {
    write({
      "a.test.ts": `${head}test("keys", () => {
  expect(Object.keys(process.env).filter((name) => /TOKEN|SECRET|WEBHOOK/.test(name))).toEqual([]);
  expect(process.env.PLAIN).toBe("1");
});
`,
      "b.test.ts": `${head}test("exits", () => process.exit(0));\ntest("fails", () => expect(1).toBe(2));\n`,
    });
    const keys = { HF_TOKEN: "a", AWS_SECRET_ACCESS_KEY: "b", SLACK_WEBHOOK_URL: "c", PLAIN: "1" };
    expect(await gpu(["--no-check", "a.test.ts"], keys)).toMatchObject({ exitCode: 0 });
    const ended = await gpu(["--no-check", "b.test.ts"]);
    expect(ended.said).toContain("a test ended the process of all tests");
    expect(ended.exitCode).toBe(1);
  }, 60_000);

  test("runs a recipe on local machines and on an emulated cloud, and says what it did", async () => {
    write({
      "rent.ts": rent,
      "rent.test.ts": `${head}import rent from "./rent.ts";
test("local", async () => {
  const { result, exitCode, calls, rented, costDollars, leftBehind } = await testRecipe(rent);
  expect(result).toEqual({ says: "hello" });
  expect(calls.map(({ name }) => name)).toEqual(["start"]);
  expect(rented.map(({ provider, type }) => [provider, type])).toEqual([["local", "local"]]);
  expect({ exitCode, costDollars, leftBehind }).toEqual({ exitCode: 0, costDollars: 0, leftBehind: [] });
});
test("emulated", async () => {
  const { result, rented, costDollars, leftBehind } = await testRecipe(rent, { provider: "lambda" });
  expect(result.says).toBe("hello");
  expect(rented[0]).toMatchObject({ provider: "lambda", leaseHours: 0.5 });
  expect(costDollars).toBeGreaterThan(0);
  expect(leftBehind).toEqual([]);
});
test("the budget holds", async () => {
  const tried = await testRecipe(rent, { provider: "lambda", budget: 0.01 });
  expect(tried.error?.message).toContain("the budget is $0.01");
  expect(() => tried.result).toThrow("the budget");
  expect(tried).toMatchObject({ exitCode: 1, rented: [] });
});
test("a recipe that throws", async () => {
  const { error, exitCode, rented, leftBehind } = await testRecipe(rent, { input: { fails: true } });
  expect(error?.message).toContain("as it was asked to");
  expect({ exitCode, leftBehind, count: rented.length }).toEqual({ exitCode: 1, leftBehind: [], count: 1 });
});
test("time in the test's hands", async () => {
  const clock = new TestClock();
  const trial = testRecipe(rent, { input: { minutes: 10 }, clock });
  await clock.skip("10m");
  const { result, leftBehind } = await trial;
  expect({ result, leftBehind }).toEqual({ result: { says: "hello" }, leftBehind: [] });
});
`,
    });
    const { exitCode, said, stdout } = await gpu(["--json"]);
    expect(said).toContain("5 pass");
    expect(JSON.parse(stdout)).toEqual({ files: ["rent.test.ts"], passed: 5, failed: 0, skipped: 0, success: true });
    expect(exitCode).toBe(0);
  }, 60_000);

  test.skipIf(process.platform === "win32")("its tests end with it, also where it is killed", async () => {
    write({
      "stuck.test.ts": `${head}test("stuck", async () => {
  await Bun.write("pid", String(process.pid));
  await new Promise(() => {});
});
`,
    });
    const main = join(import.meta.dir, "../../src/main.ts");
    const child = Bun.spawn([process.execPath, main, "recipe", "test", "--no-check", "stuck.test.ts"], {
      ...{ cwd: folder, env: { PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: cache } },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    });
    while (!existsSync(join(folder, "pid"))) await Bun.sleep(20);
    const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
    child.kill("SIGKILL");
    const killedAt = performance.now();
    while (isThere(pid)) await Bun.sleep(20);
    // Its own test would have gone on for a minute.
    expect(performance.now() - killedAt).toBeLessThan(20_000);
  }, 50_000);

  test("a failing test makes it exit 1; a filter picks", async () => {
    write({
      "a.test.ts": `${head}test("red", () => expect(1).toBe(2));\ntest("green", () => {});\n`,
      "deeper/b.test.ts": `${head}test("blue", () => {});\n`,
      "node_modules/c/c.test.ts": "throw new Error('not ours')",
    });
    const all = await gpu(["--no-check", "--json"]);
    expect(JSON.parse(all.stdout)).toMatchObject({ files: ["a.test.ts", "deeper/b.test.ts"], passed: 2, failed: 1 });
    expect(all.exitCode).toBe(1);
    const some = await gpu(["--no-check", "--filter", "green", "a.test.ts"]);
    expect(some.said).toContain("1 pass");
    expect(some.exitCode).toBe(0);
  }, 30_000);

  test("nothing of the user's is there: home, keys, settings, .env, bunfig.toml", async () => {
    write({
      ".env": "SECRET=from-the-folder\n",
      "bunfig.toml": 'preload = ["./evil.ts"]\n[test]\npreload = ["./evil.ts"]\n',
      "evil.ts": 'throw new Error("somebody else\'s code ran");',
      "env.test.ts": `${head}test("nothing", () => {
  const { HOME, LAMBDA_API_KEY, CI_API_KEY, GPU_PROVIDER, XDG_STATE_HOME, SECRET, BUN_BE_BUN } = process.env;
  expect(HOME).not.toBe(${JSON.stringify(folder)});
  expect(XDG_STATE_HOME).not.toContain("of-the-user");
  expect({ LAMBDA_API_KEY, CI_API_KEY, GPU_PROVIDER, SECRET })
    .toEqual({ LAMBDA_API_KEY: undefined, CI_API_KEY: undefined, GPU_PROVIDER: undefined, SECRET: undefined });
});\n`,
    });
    const env = { LAMBDA_API_KEY: "real", CI_API_KEY: "real", GPU_PROVIDER: "lambda", XDG_STATE_HOME: "/of-the-user" };
    const { exitCode, said } = await gpu(["--no-check"], env);
    expect(said).toContain("1 pass");
    expect(exitCode).toBe(0);
    expect(readdirSync(folder)).not.toContain("state");
  });

  test("a test that does not type-check is not run", async () => {
    write({
      "rent.ts": rent,
      "rent.test.ts": `${head}import rent from "./rent.ts";
test("typo", async () => void await testRecipe(rent, { input: { minuts: 1 } }));\n`,
    });
    const { exitCode, said } = await gpu([]);
    expect(said).toContain("`rent.test.ts` does not type-check, and no test was run\nrent.test.ts:4:");
    expect(said).toContain("minuts");
    expect(exitCode).toBe(1);
  }, 30_000);

  test("where there is no test, it says how one looks", async () => {
    write({ "rent.ts": rent });
    const beside = await gpu(["rent.ts"]);
    expect(beside.said).toStartWith("error: there is no test beside `rent.ts`\nhint: a test of it is `rent.test.ts`");
    expect(beside.said).toContain('import tried from "./rent.ts";');
    expect((await gpu([])).said).toContain("there is no test below this folder");
    expect(await gpu(["nowhere.ts"])).toMatchObject({ exitCode: 2 });
  });
});

test("the tests beside the shipped recipes pass", async () => {
  const { exitCode, said } = await gpu(["--no-check", join(import.meta.dir, "../../recipes")]);
  expect(said).toContain(" 0 fail");
  expect(exitCode).toBe(0);
}, 120_000);

test("`testRecipe` outside of a test says where it belongs", async () => {
  const nothing = recipe({ summary: "Nothing", run: () => 1 });
  await expect(testRecipe(nothing)).rejects.toThrow("`testRecipe` works in a test");
});

describe("TestClock", () => {
  test("wakes sleepers in the order of their time, each at its time", async () => {
    const clock = new TestClock();
    const begin = clock.now();
    const woken: [string, number][] = [];
    const sleep = async (name: string, ms: number) => {
      await clock.sleep(ms);
      woken.push([name, Math.round((clock.now() - begin) / 60_000)]);
    };
    const all = [sleep("late", 30 * 60_000), sleep("soon", 10 * 60_000)];
    await clock.advance("1h");
    await Promise.all(all);
    expect(woken).toEqual([["soon", 10], ["late", 30]]);
    expect(Math.round((clock.now() - begin) / 60_000)).toBe(60);
  });

  test("who starts a sleep while time is moved is woken too; a signal ends one", async () => {
    const clock = new TestClock();
    let rounds = 0;
    const ending = new AbortController();
    const loop = (async () => {
      for (;;) {
        await clock.sleep(60_000, ending.signal);
        rounds += 1;
      }
    })();
    await clock.advance("605s"); // real time goes on too
    expect(rounds).toBe(10);
    ending.abort(new Error("enough"));
    await expect(loop).rejects.toThrow("enough");
  });
});
